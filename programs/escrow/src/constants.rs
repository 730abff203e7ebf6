//! Every number of the escrow. They are code: nobody can change them but by replacing the program.

use anchor_lang::prelude::*;

/// Lamports that a provider stakes at least to be offered jobs: 0.1 SOL.
#[constant]
pub const MIN_STAKE: u64 = 100_000_000;

/// Seconds after its creation in which a job can be submitted. From then on it can be refunded.
#[constant]
pub const JOB_TIMEOUT: i64 = 600;

/// Seconds after the submit in which the client can reject. From then on anyone can release the payment.
#[constant]
pub const CONFIRM_WINDOW: i64 = 300;

/// Seconds between asking for stake and getting it. Longer than any window in which it can be slashed.
#[constant]
pub const UNSTAKE_COOLDOWN: i64 = 3_600;

/// Stake at risk for a job, as a multiple of its amount.
#[constant]
pub const SLASH_MULTIPLE: u64 = 10;

/// Most hashes in an audit path.
#[constant]
pub const MAX_PATH: u8 = 20;

/// Most tokens of an answer, so that every step of it can be proved.
#[constant]
pub const MAX_TOKENS: u32 = 1 << MAX_PATH;

/// Tokens that are paid beyond those of a cancel: what may have been under way when it was sent.
#[constant]
pub const CANCEL_GRACE: u32 = 32;

/// Prices are lamports for this many tokens.
pub const PRICE_UNIT: u128 = 1_000;

/// Layout version of the accounts.
pub const ACCOUNT_VERSION: u8 = 1;

/// First seed of a `Provider`; the authority follows.
pub const PROVIDER_SEED: &[u8] = b"provider";

/// First seed of a `Job`; client and job id follow.
pub const JOB_SEED: &[u8] = b"job";
