//! A provider's stake and record.

use anchor_lang::prelude::*;

use crate::constants::{ACCOUNT_VERSION, MIN_STAKE, UNSTAKE_COOLDOWN};
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
    /// Wallet that registered, is paid and may withdraw.
    pub authority: Pubkey,
    /// Ed25519 key of the node, the one in its libp2p peer id. Signs heads.
    pub peer: [u8; 32],
    /// Lamports staked, locked ones included.
    pub stake: u64,
    /// Sum of `stake_at_risk` of the submitted jobs. At most `stake`.
    pub locked_stake: u64,
    /// Jobs that were paid. Anyone can be their own client: evidence, not proof.
    pub jobs_completed: u64,
    /// Jobs that were not submitted in time.
    pub jobs_refunded: u32,
    /// Jobs that the client rejected.
    pub jobs_rejected: u32,
    /// Jobs with a proven fault.
    pub jobs_slashed: u32,
    /// Unix seconds.
    pub registered_at: i64,
    /// Lamports asked back, 0 for none. At most `stake`.
    pub unstake_amount: u64,
    /// Unix seconds from which they can be withdrawn.
    pub unstake_at: i64,
    /// Jobs ever created for this provider: the number of the next one.
    pub jobs_created: u64,
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
        + 4                     // jobs_refunded
        + 4                     // jobs_rejected
        + 4                     // jobs_slashed
        + 8                     // registered_at
        + 8                     // unstake_amount
        + 8                     // unstake_at
        + 8                     // jobs_created
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
            jobs_refunded: 0,
            jobs_rejected: 0,
            jobs_slashed: 0,
            registered_at: now,
            unstake_amount: 0,
            unstake_at: 0,
            jobs_created: 0,
            reserved: [0; 32],
        })
    }

    /// Stake that no submitted job has locked.
    pub fn free_stake(&self) -> u64 {
        self.stake.saturating_sub(self.locked_stake)
    }

    /// Whether the stake, without what was asked back, is worth being offered jobs.
    pub fn is_active(&self) -> bool {
        self.stake.saturating_sub(self.unstake_amount) >= MIN_STAKE
    }

    pub fn add_stake(&mut self, amount: u64) -> Result<()> {
        require!(amount > 0, EscrowError::AmountZero);
        self.stake = self.stake.checked_add(amount).ok_or(EscrowError::MathOverflow)?;
        Ok(())
    }

    /// Replaces an earlier request, and starts the cooldown again.
    pub fn request_unstake(&mut self, amount: u64, now: i64) -> Result<()> {
        require!(amount > 0, EscrowError::AmountZero);
        require!(amount <= self.free_stake(), EscrowError::StakeLocked);
        self.unstake_amount = amount;
        self.unstake_at = now.checked_add(UNSTAKE_COOLDOWN).ok_or(EscrowError::MathOverflow)?;
        Ok(())
    }

    /// Takes what was asked back out of the stake. Returns its lamports.
    pub fn withdraw(&mut self, now: i64) -> Result<u64> {
        let amount = self.unstake_amount;
        require!(amount > 0, EscrowError::AmountZero);
        require!(now >= self.unstake_at, EscrowError::CooldownActive);
        require!(amount <= self.free_stake(), EscrowError::StakeLocked);
        self.stake = self.stake.checked_sub(amount).ok_or(EscrowError::MathOverflow)?;
        self.unstake_amount = 0;
        self.unstake_at = 0;
        Ok(amount)
    }

    /// Counts a new job that puts `stake_at_risk` at risk once it is submitted. Returns the job's number.
    pub fn take_job(&mut self, stake_at_risk: u64) -> Result<u64> {
        require!(self.is_active(), EscrowError::ProviderInactive);
        require!(self.free_stake() >= stake_at_risk, EscrowError::StakeTooLow);
        let number = self.jobs_created;
        self.jobs_created = number.checked_add(1).ok_or(EscrowError::MathOverflow)?;
        Ok(number)
    }

    pub fn lock_stake(&mut self, amount: u64) -> Result<()> {
        require!(self.free_stake() >= amount, EscrowError::StakeTooLow);
        self.locked_stake = self.locked_stake.checked_add(amount).ok_or(EscrowError::MathOverflow)?;
        Ok(())
    }

    fn unlock_stake(&mut self, amount: u64) -> Result<()> {
        self.locked_stake = self.locked_stake.checked_sub(amount).ok_or(EscrowError::MathOverflow)?;
        Ok(())
    }

    // The counters stop at their largest value: money must not depend on them.

    pub fn job_completed(&mut self, stake_at_risk: u64) -> Result<()> {
        self.jobs_completed = self.jobs_completed.saturating_add(1);
        self.unlock_stake(stake_at_risk)
    }

    pub fn job_rejected(&mut self, stake_at_risk: u64) -> Result<()> {
        self.jobs_rejected = self.jobs_rejected.saturating_add(1);
        self.unlock_stake(stake_at_risk)
    }

    pub fn job_refunded(&mut self) {
        self.jobs_refunded = self.jobs_refunded.saturating_add(1);
    }

    /// Takes all of `stake_at_risk` out of the stake.
    pub fn job_slashed(&mut self, stake_at_risk: u64) -> Result<()> {
        self.jobs_slashed = self.jobs_slashed.saturating_add(1);
        self.unlock_stake(stake_at_risk)?;
        self.stake = self.stake.checked_sub(stake_at_risk).ok_or(EscrowError::MathOverflow)?;
        self.unstake_amount = self.unstake_amount.min(self.stake);
        Ok(())
    }
}
