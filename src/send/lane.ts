/**
 * Batches of different lanes do not wait for each other.
 *
 *     shared    requests of which nothing bad is known
 *     suspect   batches whose failure may lie in their data, and connections that have yet to deliver a request
 *     isolated  connections whose requests keep failing
 */
export type Lane = 'shared' | 'suspect' | 'isolated';
