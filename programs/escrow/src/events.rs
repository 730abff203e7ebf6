//! One event for every instruction. Amounts are lamports, times unix seconds. In events of a job or a channel `client`,
//! `payer` and `provider` are wallets; in those of a stake `provider` is the account's address.

use anchor_lang::prelude::*;

/// A node works for `authority` from now on.
#[event]
pub struct ProviderRegistered {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub peer: [u8; 32],
    pub stake: u64,
}

/// Another node works for `authority`. Jobs and channels that exist keep the old key.
#[event]
pub struct PeerRotated {
    pub provider: Pubkey,
    pub authority: Pubkey,
    pub old_peer: [u8; 32],
    pub new_peer: [u8; 32],
    pub bindings: u32,
}

/// `stake` is the new total.
#[event]
pub struct StakeAdded {
    pub provider: Pubkey,
    pub payer: Pubkey,
    pub amount: u64,
    pub stake: u64,
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
    pub amount: u64,
}

/// The provider declined, or did not submit in time: everything went back.
#[event]
pub struct JobRefunded {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub caller: Pubkey,
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
    pub payout: u64,
    pub release_at: i64,
}

/// The client was content, or silent for too long: the provider was paid, the rest went back.
#[event]
pub struct JobConfirmed {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub caller: Pubkey,
    pub paid: u64,
    pub refunded: u64,
}

/// The client objected: the price was burnt, the rest went back.
#[event]
pub struct JobRejected {
    pub job: Pubkey,
    pub job_id: [u8; 32],
    pub client: Pubkey,
    pub provider: Pubkey,
    pub verdict_digest: [u8; 32],
    pub burnt: u64,
    pub refunded: u64,
}

/// `deposit` was locked, and the provider's stake for `window`.
#[event]
pub struct ChannelOpened {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub deposit: u64,
    pub window: u64,
    pub expires_at: i64,
}

/// `deposit` is the new total.
#[event]
pub struct ChannelToppedUp {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub amount: u64,
    pub deposit: u64,
}

/// The channel knows these totals; `paid` went to the provider.
#[event]
pub struct ChannelSettled {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub committed: u64,
    pub released: u64,
    pub paid: u64,
}

/// Both sides were done: `paid` went to the provider now and `settled` in all, the rest went back.
#[event]
pub struct ChannelClosed {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub settled: u64,
    pub refunded: u64,
}

/// One side began to close.
#[event]
pub struct ChannelClosing {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub caller: Pubkey,
    pub closing_at: i64,
}

/// The payer objected: what is committed and not released will be burnt.
#[event]
pub struct ChannelRejected {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub verdict_digest: [u8; 32],
}

/// The payer's time to object ended: `paid` went to the provider now and `settled` in all, the rest went back.
#[event]
pub struct ChannelFinished {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub paid: u64,
    pub settled: u64,
    pub burnt: u64,
    pub refunded: u64,
}

/// One answer of a channel can be challenged and proved now.
#[event]
pub struct EvidenceCreated {
    pub evidence: Pubkey,
    pub channel: Pubkey,
    pub job_id: [u8; 32],
    pub rent_payer: Pubkey,
    pub root: [u8; 32],
    pub token_count: u32,
}

/// The rent went back.
#[event]
pub struct EvidenceClosed {
    pub evidence: Pubkey,
    pub channel: Pubkey,
    pub job_id: [u8; 32],
    pub rent_payer: Pubkey,
}

/// The provider has to open `positions` of an answer. `subject` is the address of its job or channel.
#[event]
pub struct Challenged {
    pub subject: Pubkey,
    pub job_id: [u8; 32],
    pub challenger: Pubkey,
    pub positions: Vec<u32>,
    pub due: i64,
    pub bond: u64,
}

/// The provider opened `position`, and got its bond. `subject` is the address of the job or channel.
#[event]
pub struct Answered {
    pub subject: Pubkey,
    pub job_id: [u8; 32],
    pub position: u32,
    pub bond: u64,
    pub is_over: bool,
}

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlashReason {
    /// A challenge that was not answered in time.
    Silence,
    /// Signed heads that contradict each other or the delivery.
    Equivocation,
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

/// A fault was proved: `paid` went to the provider now and `settled` in all, which is what was released; the rest went
/// back, and `compensation` from the stake.
#[event]
pub struct ChannelSlashed {
    pub channel: Pubkey,
    pub id: [u8; 32],
    pub payer: Pubkey,
    pub provider: Pubkey,
    pub reason: SlashReason,
    pub paid: u64,
    pub settled: u64,
    pub refunded: u64,
    pub compensation: u64,
    pub burnt: u64,
}
