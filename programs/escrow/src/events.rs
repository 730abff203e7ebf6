//! One event for every instruction. Amounts are lamports.

use anchor_lang::prelude::*;

#[event]
pub struct ProviderRegistered {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub peer: [u8; 32],
    pub stake: u64,
}

#[event]
pub struct PeerRotated {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub old_peer: [u8; 32],
    pub new_peer: [u8; 32],
}

#[event]
pub struct StakeAdded {
    pub provider: Pubkey,
    pub payer: Pubkey,
    pub amount: u64,
    pub stake: u64,
}

#[event]
pub struct UnstakeRequested {
    pub provider: Pubkey,
    pub amount: u64,
    /// Unix seconds from which it can be withdrawn.
    pub unstake_at: i64,
}

#[event]
pub struct StakeWithdrawn {
    pub provider: Pubkey,
    pub amount: u64,
    pub stake: u64,
}

#[event]
pub struct JobCreated {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub number: u64,
    pub amount: u64,
}

#[event]
pub struct JobDeclined {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub refunded: u64,
}

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

#[event]
pub struct JobConfirmed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub refunded: u64,
}

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

#[event]
pub struct JobClaimed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub refunded: u64,
}

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
    Equivocation,
    HeadMismatch,
    Sampler,
}

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
