//! The client's cancel (protocol section 4).

/// `cbor({v: 1, jobId, n})`, which is what a client signs to end an answer after `n` tokens. Keys are sorted by length,
/// integers as short as they can be.
pub fn cancel_body(job_id: &[u8; 32], n: u32) -> Vec<u8> {
    let mut body = Vec::with_capacity(51);
    body.extend_from_slice(&[0xa3, 0x61, b'n']);
    match n {
        0..=23 => body.push(n as u8),
        24..=0xff => body.extend_from_slice(&[0x18, n as u8]),
        0x100..=0xffff => {
            body.push(0x19);
            body.extend_from_slice(&(n as u16).to_be_bytes());
        }
        _ => {
            body.push(0x1a);
            body.extend_from_slice(&n.to_be_bytes());
        }
    }
    body.extend_from_slice(&[0x61, b'v', 0x01, 0x65]);
    body.extend_from_slice(b"jobId");
    body.extend_from_slice(&[0x58, 32]);
    body.extend_from_slice(job_id);
    body
}
