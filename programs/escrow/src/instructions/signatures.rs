//! Signatures by nodes, which have no Solana account: the runtime verifies them in an ed25519 instruction, and the
//! program reads what was verified.

use anchor_lang::prelude::*;
use solana_instructions_sysvar::{load_current_index_checked, load_instruction_at_checked};
use solana_sdk_ids::ed25519_program;

use crate::errors::EscrowError;
use crate::logic::ack::{Ack, ACK_SIZE};
use crate::logic::ed25519::{check_signatures, Expected};
use crate::logic::message::{consent_message, signed_message, ACK_KIND};

/// That the instruction directly before this one verified exactly the `expected` signatures.
///
/// The place is relative: a signature verified elsewhere in the transaction, for another instruction, does not count.
pub fn require_signatures(instructions: &AccountInfo, expected: &[Expected]) -> Result<()> {
    let current = load_current_index_checked(instructions)?;
    let previous = current.checked_sub(1).ok_or(EscrowError::MissingEd25519Instruction)?;
    let instruction = load_instruction_at_checked(usize::from(previous), instructions)?;
    require_keys_eq!(instruction.program_id, ed25519_program::ID, EscrowError::MissingEd25519Instruction);
    check_signatures(&instruction.data, expected)?;
    Ok(())
}

/// That the node agreed to be bound to this authority's account, with this number.
pub fn require_consent(instructions: &AccountInfo, authority: &Pubkey, peer: &[u8; 32], binding: u32) -> Result<()> {
    let message = consent_message(crate::ID.as_array(), authority.as_array(), peer, binding);
    require_signatures(instructions, &[Expected { key: peer, message: &message }])
}

/// The acknowledgement in `body`, which the client's node must have signed.
pub fn require_ack(instructions: &AccountInfo, body: &[u8; ACK_SIZE], client_peer: &[u8; 32]) -> Result<Ack> {
    let ack = Ack::parse(body)?;
    let message = signed_message(ACK_KIND, &ack.job_id, body);
    require_signatures(instructions, &[Expected { key: client_peer, message: &message }])?;
    Ok(ack)
}
