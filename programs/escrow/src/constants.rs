//! Every number of the escrow. The numbers are code: only a new program changes them.

use anchor_lang::prelude::*;

/// The least stake with which a provider registers, in lamports: 0.1 SOL.
#[constant]
pub const MIN_STAKE: u64 = 100_000_000;

/// Seconds between asking to close a channel and finishing it. The payer rejects and challenges within them. Longer than
/// a reboot or a night's outage takes to repair.
#[constant]
pub const CLOSE_WINDOW: i64 = 18_000;

/// Seconds in which a provider answers a challenge.
#[constant]
pub const CHALLENGE_WINDOW: i64 = 14_400;

/// Seconds that remain after a challenge is due to slash for it.
#[constant]
pub const CHALLENGE_MARGIN: i64 = 60;

/// Lamports that a challenger puts up for each position: the network's fee of an answer, which gets them.
#[constant]
pub const BOND: u64 = 5_000;

/// Stake at risk, as a multiple of a job's payout or a channel's window.
#[constant]
pub const SLASH_MULTIPLE: u64 = 10;

/// Most hashes in an audit path.
#[constant]
pub const MAX_PATH: u8 = 16;

/// Most hashes in the audit path of a score job that can be challenged: its 40 candidates fill the transaction.
#[constant]
pub const MAX_SCORE_PATH: u8 = 14;

/// Most stop tokens that an offer names.
#[constant]
pub const MAX_STOPS: u8 = 8;

/// Most tokens of a paid answer, so that every step of it can be proved.
#[constant]
pub const MAX_TOKENS: u32 = 1 << MAX_PATH;

/// Bounds of the seconds in which a job is to be submitted.
#[constant]
pub const MIN_DELIVER_WITHIN: u32 = 60;
#[constant]
pub const MAX_DELIVER_WITHIN: u32 = 86_400;

/// Bounds of the seconds in which a client checks a submitted job. Within them it has as long as the answer took.
#[constant]
pub const MIN_CHECK_WINDOW: i64 = 300;
#[constant]
pub const MAX_CHECK_WINDOW: i64 = 86_400;

/// Most positions of one challenge.
#[constant]
pub const MAX_POSITIONS: u8 = 3;

/// Most challenges in one channel.
#[constant]
pub const MAX_CHALLENGES: u8 = 3;

/// Seconds after which the terms of a channel that is opened now must have expired. The protocol allows 120 s; the rest
/// is for clocks that differ. Until then the channel cannot be closed, so a later time would hold the deposit.
#[constant]
pub const MAX_TERMS_VALIDITY: i64 = 600;

/// The chain of this build, as its genesis hash. With one, channel terms for another chain are refused.
pub const CHAIN: Option<[u8; 32]> = None;

/// Prices are lamports for this many tokens.
pub const PRICE_UNIT: u128 = 1_000;

/// Layout version of the accounts.
pub const ACCOUNT_VERSION: u8 = 1;

/// First seed of a `Provider`; the authority follows.
pub const PROVIDER_SEED: &[u8] = b"provider";

/// First seed of a `Job`; client and job id follow.
pub const JOB_SEED: &[u8] = b"job";

/// First seed of a `Channel`; the channel's id follows.
pub const CHANNEL_SEED: &[u8] = b"channel";

/// First seed of an `Evidence`; the channel's address and the job id follow.
pub const EVIDENCE_SEED: &[u8] = b"evidence";
