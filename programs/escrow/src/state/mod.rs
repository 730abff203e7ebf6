//! The accounts. Their fields change only through the methods here.

mod challenge;
mod channel;
mod delivered;
mod delivery;
mod evidence;
mod job;
mod provider;
mod terms;

pub use challenge::*;
pub use channel::*;
pub use delivered::*;
pub use delivery::*;
pub use evidence::*;
pub use job::*;
pub use provider::*;
pub use terms::*;

use anchor_lang::prelude::*;

use crate::constants::SLASH_MULTIPLE;
use crate::errors::EscrowError;

/// The stake that answers for `lamports`: a job's payout or a channel's window.
pub fn stake_at_risk(lamports: u64) -> Result<u64> {
    Ok(lamports.checked_mul(SLASH_MULTIPLE).ok_or(EscrowError::MathOverflow)?)
}

fn add(a: u64, b: u64) -> Result<u64> {
    Ok(a.checked_add(b).ok_or(EscrowError::MathOverflow)?)
}

fn subtract(a: u64, b: u64) -> Result<u64> {
    Ok(a.checked_sub(b).ok_or(EscrowError::MathOverflow)?)
}

fn after(time: i64, seconds: i64) -> Result<i64> {
    Ok(time.checked_add(seconds).ok_or(EscrowError::MathOverflow)?)
}
