//! Reading the data of an instruction of the ed25519 program, which the runtime has already verified.
//!
//! Layout: `u8 count, u8 padding`, then for each signature seven little-endian u16: signature offset and instruction,
//! key offset and instruction, message offset, size and instruction. Instruction 0xffff means this one.

use crate::errors::EscrowError;

const HEADER: usize = 2;
const ENTRY: usize = 14;
const THIS_INSTRUCTION: u16 = u16::MAX;

/// A signature that must have been verified.
pub struct Expected<'a> {
    pub key: &'a [u8; 32],
    pub message: &'a [u8],
}

/// That `data` holds exactly the `expected` signatures, in this order.
///
/// Every part must lie in the instruction itself: with another index the key or the message could be taken from an
/// instruction that this function does not see, and what was verified would not be what is compared here.
pub fn check_signatures(data: &[u8], expected: &[Expected]) -> Result<(), EscrowError> {
    let malformed = EscrowError::MalformedEd25519Instruction;
    if data.first().map(|count| usize::from(*count)) != Some(expected.len()) {
        return Err(malformed);
    }
    for (at, expected) in expected.iter().enumerate() {
        let entry = data.get(HEADER + at * ENTRY..HEADER + (at + 1) * ENTRY).ok_or(malformed)?;
        let field = |i: usize| u16::from_le_bytes([entry[2 * i], entry[2 * i + 1]]);
        if [field(1), field(3), field(6)] != [THIS_INSTRUCTION; 3] {
            return Err(malformed);
        }
        let part =
            |offset: u16, size: usize| data.get(usize::from(offset)..usize::from(offset) + size).ok_or(malformed);
        if part(field(2), 32)? != expected.key {
            return Err(EscrowError::SignerMismatch);
        }
        if part(field(4), usize::from(field(5)))? != expected.message {
            return Err(EscrowError::MessageMismatch);
        }
    }
    Ok(())
}
