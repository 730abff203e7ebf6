//! Signatures by nodes, which have no Solana account: the runtime verifies them in an ed25519 instruction, and the
//! program reads what was verified.

use anchor_lang::prelude::*;
use solana_instructions_sysvar::{load_current_index_checked, load_instruction_at_checked};
use solana_sdk_ids::ed25519_program;

use crate::errors::EscrowError;
use crate::logic::ed25519::{check_signatures, Expected};

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
