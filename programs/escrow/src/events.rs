//! One event for every instruction. Amounts are lamports. In events of a job `client` and `provider` are the two wallets;
//! in those of a stake `provider` is the account's address.

use anchor_lang::prelude::*;

/// A node works for `authority` from now on.
#[event]
pub struct ProviderRegistered {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub peer: [u8; 32],
    pub stake: u64,
}

/// Another node works for `authority`. Jobs that exist keep the old key.
#[event]
pub struct PeerRotated {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub old_peer: [u8; 32],
    pub new_peer: [u8; 32],
}

/// `stake` is what it comes to.
#[event]
pub struct StakeAdded {
    pub provider: Pubkey,
    pub payer: Pubkey,
    pub amount: u64,
    pub stake: u64,
}

/// This much stake was asked back.
#[event]
pub struct UnstakeRequested {
    pub provider: Pubkey,
    pub amount: u64,
    /// Unix seconds from which it can be withdrawn.
    pub unstake_at: i64,
}

/// `stake` is what is left.
#[event]
pub struct StakeWithdrawn {
    pub provider: Pubkey,
    pub amount: u64,
    pub stake: u64,
}

/// `amount` was locked.
#[event]
pub struct JobCreated {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub number: u64,
    pub amount: u64,
}

/// The provider gave everything back.
#[event]
pub struct JobDeclined {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub refunded: u64,
}

/// The provider's head is stored, and its stake locked.
#[event]
pub struct JobSubmitted {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub root: [u8; 32],
    pub text_digest: [u8; 32],
    pub prompt_count: u32,
    pub token_count: u32,
    pub paid_count: u32,
    pub finish: u8,
    /// Unix seconds.
    pub submitted_at: i64,
}

/// The client was content: the provider was paid, the rest went back.
#[event]
pub struct JobConfirmed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub refunded: u64,
}

/// The client was not: the price was burnt, the rest went back.
#[event]
pub struct JobRejected {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    /// Digest of the verdict that the client holds.
    pub verdict_digest: [u8; 32],
    pub burnt: u64,
    pub refunded: u64,
}

/// The client said nothing in time: the provider was paid, the rest went back.
#[event]
pub struct JobClaimed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub refunded: u64,
}

/// Nothing was submitted in time: everything went back.
#[event]
pub struct JobRefunded {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub refunded: u64,
}

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlashReason {
    /// Two signed heads that contradict each other.
    Equivocation,
    /// A signed final head that is not the submitted one.
    HeadMismatch,
    /// A committed step whose token was not drawn.
    Sampler,
}

/// A fault was proved: everything went back, and `compensation` from the stake.
#[event]
pub struct JobSlashed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub reason: SlashReason,
    pub refunded: u64,
    pub compensation: u64,
    pub burnt: u64,
}
