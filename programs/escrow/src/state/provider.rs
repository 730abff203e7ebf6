//! A provider's stake and record.

use anchor_lang::prelude::*;

use super::{add, subtract};
use crate::constants::{ACCOUNT_VERSION, MIN_STAKE};
use crate::errors::EscrowError;

/// Seeds: `"provider"`, authority. It is never closed, so that a bad record cannot be shed under the same authority.
/// Its lamports are the rent minimum and the stake.
#[account]
#[derive(Debug, InitSpace, PartialEq, Eq)]
pub struct Provider {
    /// Layout version of this account.
    pub version: u8,
    /// Canonical bump of its address.
    pub bump: u8,
    /// Wallet that registered and may withdraw.
    pub authority: Pubkey,
    /// Ed25519 key of the node, the one in its libp2p peer id. Signs heads and channel terms.
    pub peer: [u8; 32],
    /// Lamports staked: what was deposited, payouts and bonds, locked ones included.
    pub stake: u64,
    /// Sum of `stake_at_risk` of the submitted jobs and the channels. At most `stake`.
    pub locked_stake: u64,
    /// Jobs that were paid from an account of their own. Anyone can be their own client: evidence, not proof.
    pub jobs_completed: u64,
    /// Lamports of all payouts.
    pub earned: u64,
    /// Rejections that burnt something: jobs, and channels.
    pub jobs_rejected: u32,
    /// Lamports burnt by rejections.
    pub rejected: u64,
    /// Jobs and channels with a proven fault.
    pub jobs_slashed: u32,
    /// Number of the node's binding, from 0. The consent to it names it.
    pub bindings: u32,
    /// Unix seconds.
    pub registered_at: i64,
    /// Zero, for later versions.
    pub reserved: [u8; 32],
}

impl Provider {
    pub const SPACE: usize = 8  // discriminator
        + 1                     // version
        + 1                     // bump
        + 32                    // authority
        + 32                    // peer
        + 8                     // stake
        + 8                     // locked_stake
        + 8                     // jobs_completed
        + 8                     // earned
        + 4                     // jobs_rejected
        + 8                     // rejected
        + 4                     // jobs_slashed
        + 4                     // bindings
        + 8                     // registered_at
        + 32; // reserved

    pub fn new(authority: Pubkey, peer: [u8; 32], stake: u64, bump: u8, now: i64) -> Result<Self> {
        require!(stake >= MIN_STAKE, EscrowError::StakeTooLow);
        Ok(Self {
            version: ACCOUNT_VERSION,
            bump,
            authority,
            peer,
            stake,
            locked_stake: 0,
            jobs_completed: 0,
            earned: 0,
            jobs_rejected: 0,
            rejected: 0,
            jobs_slashed: 0,
            bindings: 0,
            registered_at: now,
            reserved: [0; 32],
        })
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.locked_stake <= self.stake, EscrowError::InvariantViolated);
        Ok(())
    }

    /// Stake that no job or channel has locked.
    pub fn free_stake(&self) -> u64 {
        self.stake.saturating_sub(self.locked_stake)
    }

    pub fn require_free_stake(&self, amount: u64) -> Result<()> {
        require!(self.free_stake() >= amount, EscrowError::StakeTooLow);
        Ok(())
    }

    /// The number that the consent to the next binding names.
    pub fn next_binding(&self) -> Result<u32> {
        Ok(self.bindings.checked_add(1).ok_or(EscrowError::MathOverflow)?)
    }

    /// Binds another node. Returns the one before.
    pub fn rotate_peer(&mut self, peer: [u8; 32]) -> Result<[u8; 32]> {
        self.bindings = self.next_binding()?;
        Ok(std::mem::replace(&mut self.peer, peer))
    }

    pub fn add_stake(&mut self, amount: u64) -> Result<()> {
        require!(amount > 0, EscrowError::AmountZero);
        self.credit(amount)
    }

    /// Takes in lamports that were already moved here, as free stake.
    pub fn credit(&mut self, lamports: u64) -> Result<()> {
        self.stake = add(self.stake, lamports)?;
        Ok(())
    }

    pub fn withdraw(&mut self, amount: u64) -> Result<()> {
        require!(amount > 0, EscrowError::AmountZero);
        require!(amount <= self.free_stake(), EscrowError::StakeLocked);
        self.stake = subtract(self.stake, amount)?;
        Ok(())
    }

    pub fn lock_stake(&mut self, amount: u64) -> Result<()> {
        self.require_free_stake(amount)?;
        self.locked_stake = add(self.locked_stake, amount)?;
        Ok(())
    }

    pub fn unlock_stake(&mut self, amount: u64) -> Result<()> {
        self.locked_stake = subtract(self.locked_stake, amount)?;
        Ok(())
    }

    /// Takes locked stake away.
    pub fn slash(&mut self, stake_at_risk: u64) -> Result<()> {
        self.jobs_slashed = self.jobs_slashed.saturating_add(1);
        self.unlock_stake(stake_at_risk)?;
        self.stake = subtract(self.stake, stake_at_risk)?;
        Ok(())
    }

    // The counters stop at their largest value: money must not depend on them.

    pub fn count_completed(&mut self) {
        self.jobs_completed = self.jobs_completed.saturating_add(1);
    }

    pub fn count_earned(&mut self, lamports: u64) {
        self.earned = self.earned.saturating_add(lamports);
    }

    /// A rejection that burns nothing costs nothing, so it says nothing.
    pub fn count_rejected(&mut self, burnt: u64) {
        if burnt == 0 {
            return;
        }
        self.jobs_rejected = self.jobs_rejected.saturating_add(1);
        self.rejected = self.rejected.saturating_add(burnt);
    }
}
