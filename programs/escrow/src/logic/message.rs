//! The 80 bytes that are signed, and hashing (protocol section 1).

use solana_sha256_hasher::hashv;

/// Kind of a tree head.
pub const HEAD_KIND: &str = "qvac/head/1";
/// Kind of a client's acknowledgement.
pub const ACK_KIND: &str = "qvac/ack/1";
/// Kind of channel terms, which a provider's node signs.
pub const CHANNEL_KIND: &str = "qvac/channel/1";
/// Kind of a node's consent to work for an authority, which stands in the place of the job id.
pub const REGISTER_KIND: &str = "qvac/register/1";

/// In the place of the job id, in messages outside a job.
pub const NO_JOB: [u8; 32] = [0; 32];

/// SHA-256 of the parts one after another.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    hashv(parts).to_bytes()
}

/// `text`, at most 16 bytes, padded with zero bytes.
pub const fn tag(text: &str) -> [u8; 16] {
    let bytes = text.as_bytes();
    let mut out = [0; 16];
    let mut at = 0;
    while at < bytes.len() {
        out[at] = bytes[at];
        at += 1;
    }
    out
}

/// `tag(kind) ‖ context ‖ SHA(body)`, where `context` is the job id.
pub fn signed_message(kind: &str, context: &[u8; 32], body: &[u8]) -> [u8; 80] {
    let mut message = [0; 80];
    message[..16].copy_from_slice(&tag(kind));
    message[16..48].copy_from_slice(context);
    message[48..].copy_from_slice(&sha256(&[body]));
    message
}

/// What a node signs to be bound to an authority's account: for this program and this binding alone, so that a consent
/// serves once. `binding` is the value that the account's `bindings` takes with it.
pub fn consent_message(program: &[u8; 32], authority: &[u8; 32], peer: &[u8; 32], binding: u32) -> [u8; 80] {
    signed_message(REGISTER_KIND, authority, &[&program[..], peer, &binding.to_be_bytes()].concat())
}
