"""Reads a captured request, or several as "cases", as JSON from standard input and prints the Authorization header that
botocore, the signer of the AWS CLI, gives for each: same method, URL, signed headers, body hash, date and keys."""
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

given = json.load(sys.stdin)
if given.get("probe"):
    print("botocore is here")
    sys.exit(0)


def authorization(case):
    request = AWSRequest(method=case["method"], url=case["url"], data=bytes.fromhex(case["bodyHex"]))
    for name, value in case["headers"]:
        request.headers[name] = value
    request.context["timestamp"] = case["timestamp"]
    request.context["payload_signing_enabled"] = True

    credentials = Credentials(case["accessKeyId"], case["secretAccessKey"], case.get("sessionToken"))
    auth = SigV4Auth(credentials, "aps", case["region"])
    # What it adds to a request, it would sign; here the request is complete, and only the signature is asked for.
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"


for case in given.get("cases", [given]):
    print(authorization(case))
