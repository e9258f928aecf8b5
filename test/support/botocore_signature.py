"""Reads a captured request as JSON from standard input and prints the Authorization header that botocore, the signer of
the AWS CLI, gives for it: same method, URL, signed headers, body hash, date and keys."""
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

given = json.load(sys.stdin)
if given.get("probe"):
    print("botocore is here")
    sys.exit(0)

request = AWSRequest(method=given["method"], url=given["url"], data=bytes.fromhex(given["bodyHex"]))
for name, value in given["headers"]:
    request.headers[name] = value
request.context["timestamp"] = given["timestamp"]
request.context["payload_signing_enabled"] = True

credentials = Credentials(given["accessKeyId"], given["secretAccessKey"], given.get("sessionToken"))
auth = SigV4Auth(credentials, "aps", given["region"])
# What it adds to a request, it would sign; here the request is complete, and only the signature is asked for.
canonical = auth.canonical_request(request)
signature = auth.signature(auth.string_to_sign(request, canonical), request)
signed = auth.signed_headers(auth.headers_to_sign(request))
print(
    f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"
)
