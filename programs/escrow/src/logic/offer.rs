//! Offers (protocol section 4): a fixed layout with the stop tokens near its end. What the program does not use is
//! checked and skipped.

use super::message::{sha256, tag};
use super::reader::Reader;
use super::sampler::{Sampler, MAX_MIN_P, MAX_TEMPERATURE, MAX_TOP_K, MAX_TOP_P};
use crate::constants::{MAX_STOPS, MAX_TOKENS};
use crate::errors::EscrowError;

/// `mode`: nothing is ever opened.
pub const MODE_NONE: u8 = 0;
/// `mode`: the secret is revealed after the final head.
pub const MODE_MERKLE: u8 = 1;
/// `mode`: the secret is revealed later, or never.
pub const MODE_FRAUD: u8 = 2;
/// `mode`: the draws are proved and the candidates stay hidden.
pub const MODE_ZK: u8 = 3;
/// `mode`: an answer is scored, none is written.
pub const MODE_SCORE: u8 = 4;

/// `pay`: into an account for this job alone.
pub const PAY_JOB: u8 = 1;
/// `pay`: from a channel.
pub const PAY_CHANNEL: u8 = 2;

/// Candidates of a score job: 20 more than those of an answer.
const MAX_SCORE_TOP_K: u8 = 40;
/// Milliseconds between `issuedAt` and `expiresAt`.
const MAX_LIFE: u64 = 600_000;

// Bytes of fields that the program does not use.
const MODEL_ID: usize = 32;
const REQUEST_DIGEST: usize = 32;
const QUOTE: usize = 32;
const COMMIT: usize = 32;
const NONCE: usize = 16;

/// What client and provider agreed on, as far as money and proofs depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub client: [u8; 32],
    pub provider: [u8; 32],
    pub exec_class: [u8; 32],
    pub seed: [u8; 32],
    /// Unix milliseconds.
    pub expires_at: u64,
    pub mode: u8,
    pub sampler: Sampler,
    pub max_tokens: u32,
    pub start: u32,
    pub pay: u8,
    pub account: [u8; 32],
    pub amount: u64,
    pub prompt_tokens: u32,
    pub price_job: u64,
    pub price_in: u64,
    pub price_out: u64,
    pub grace: u32,
    pub deliver_within: u32,
    /// Without `extra`: the draws follow from the candidates alone.
    pub plain: bool,
}

/// `SHA(tag("qvac/job/1") ‖ body)`.
pub fn job_id_of(body: &[u8]) -> [u8; 32] {
    sha256(&[&tag("qvac/job/1"), body])
}

impl Offer {
    pub fn parse(body: &[u8]) -> Result<Self, EscrowError> {
        read(body).ok_or(EscrowError::MalformedOffer)
    }
}

fn read(body: &[u8]) -> Option<Offer> {
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    let [client, provider] = [reader.array()?, reader.array()?];
    reader.skip(MODEL_ID)?;
    let exec_class = reader.array()?;
    reader.skip(REQUEST_DIGEST + QUOTE)?;
    let seed = reader.array()?;
    reader.skip(COMMIT + NONCE)?;
    let [issued_at, expires_at] = [reader.u64()?, reader.u64()?];
    let mode = reader.u8()?;
    let count = reader.u16()?;
    let [temperature, min_p, top_p, top_k] = [reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?];
    let [vocab, max_tokens, start] = [reader.u32()?, reader.u32()?, reader.u32()?];
    let pay = reader.u8()?;
    let account = reader.array()?;
    let amount = reader.u64()?;
    let prompt_tokens = reader.u32()?;
    let [price_job, price_in, price_out] = [reader.u64()?, reader.u64()?, reader.u64()?];
    let [grace, deliver_within] = [reader.u32()?, reader.u32()?];
    skip_stops(&mut reader, vocab)?;
    let extra_digest = reader.array::<32>()?;

    let life = expires_at.checked_sub(issued_at)?;
    let most_k = if mode == MODE_SCORE { MAX_SCORE_TOP_K } else { MAX_TOP_K };
    let valid = version == 1
        && reader.is_empty()
        && (1..=MAX_LIFE).contains(&life)
        && mode <= MODE_SCORE
        && (2..=256).contains(&count)
        && temperature <= MAX_TEMPERATURE
        && min_p <= MAX_MIN_P
        && (1..=MAX_TOP_P).contains(&top_p)
        && (1..=most_k).contains(&top_k)
        && vocab >= 1
        && max_tokens >= 1
        && start.checked_add(max_tokens).is_some()
        && pay <= PAY_CHANNEL
        && (pay != 0 || account == [0; 32])
        && (pay == 0 || max_tokens <= MAX_TOKENS);
    valid.then_some(Offer {
        client,
        provider,
        exec_class,
        seed,
        expires_at,
        mode,
        sampler: Sampler { temperature, min_p, top_p, top_k, vocab },
        max_tokens,
        start,
        pay,
        account,
        amount,
        prompt_tokens,
        price_job,
        price_in,
        price_out,
        grace,
        deliver_within,
        plain: extra_digest == [0; 32],
    })
}

/// The number of stops, at most 8, then each: ascending and below `vocab`.
fn skip_stops(reader: &mut Reader, vocab: u32) -> Option<()> {
    let stops = reader.u8()?;
    let mut least = 0u32;
    for _ in 0..stops {
        let stop = reader.u32()?;
        if stop < least || stop >= vocab {
            return None;
        }
        least = stop + 1;
    }
    (stops <= MAX_STOPS).then_some(())
}
