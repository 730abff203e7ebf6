//! What client and provider agreed on for one answer.

use anchor_lang::prelude::*;

use crate::logic::offer::{Offer, MODE_FRAUD, MODE_MERKLE, MODE_NONE, MODE_SCORE, MODE_ZK};
use crate::logic::price::{price, Prices};
use crate::logic::sampler::Sampler;

/// The part of an offer that payment and proofs need.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, InitSpace, PartialEq, Eq)]
pub struct Terms {
    /// The protocol's job id: the digest of the offer.
    pub job_id: [u8; 32],
    /// Key of the provider's node, which signs heads. A later rotation changes nothing here.
    pub peer: [u8; 32],
    /// Key of the client's node, which signs acknowledgements.
    pub client_peer: [u8; 32],
    /// Lamports for the job, once anything is acknowledged.
    pub price_job: u64,
    /// Lamports per 1,000 prompt tokens.
    pub price_in: u64,
    /// Lamports per 1,000 answer tokens.
    pub price_out: u64,
    /// Tokens that are paid beyond the acknowledged ones.
    pub grace: u32,
    /// Most tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// Seed of the draws.
    pub seed: [u8; 32],
    /// Hundredths, 0 to 200.
    pub temperature: u8,
    /// Hundredths, 0 to 100.
    pub min_p: u8,
    /// Hundredths, 1 to 100.
    pub top_p: u8,
    /// Candidates of a step.
    pub top_k: u8,
    /// Number of token ids of the model.
    pub vocab: u32,
    /// Tokens of the answer that an earlier job wrote: the first step's draw is this one.
    pub start: u32,
    /// When the client opens the answer: 0 never, 1 after it, 2 later, 3 proved and hidden, 4 a score job.
    pub mode: u8,
    /// The offer has no `extra`: the draws follow from the candidates alone.
    pub plain: bool,
}

impl Terms {
    pub const SPACE: usize = 32 // job_id
        + 32                    // peer
        + 32                    // client_peer
        + 8                     // price_job
        + 8                     // price_in
        + 8                     // price_out
        + 4                     // grace
        + 4                     // prompt_tokens
        + 4                     // max_tokens
        + 32                    // seed
        + 1                     // temperature
        + 1                     // min_p
        + 1                     // top_p
        + 1                     // top_k
        + 4                     // vocab
        + 4                     // start
        + 1                     // mode
        + 1; // plain

    pub fn of(offer: &Offer, job_id: [u8; 32]) -> Self {
        Self {
            job_id,
            peer: offer.provider,
            client_peer: offer.client,
            price_job: offer.price_job,
            price_in: offer.price_in,
            price_out: offer.price_out,
            grace: offer.grace,
            prompt_tokens: offer.prompt_tokens,
            max_tokens: offer.max_tokens,
            seed: offer.seed,
            temperature: offer.sampler.temperature,
            min_p: offer.sampler.min_p,
            top_p: offer.sampler.top_p,
            top_k: offer.sampler.top_k,
            vocab: offer.sampler.vocab,
            start: offer.start,
            mode: offer.mode,
            plain: offer.plain,
        }
    }

    /// Lamports, possibly more than a `u64` holds.
    pub fn price(&self, prompt_count: u32, paid_count: u32) -> u128 {
        let [job, prompt, answer] = [self.price_job, self.price_in, self.price_out];
        price(&Prices { job, prompt, answer, score: self.is_score() }, prompt_count, paid_count)
    }

    /// The price of everything that the offer covers.
    pub fn full_price(&self) -> u128 {
        self.price(self.prompt_tokens, self.max_tokens)
    }

    pub fn sampler(&self) -> Sampler {
        let [temperature, min_p, top_p, top_k] = [self.temperature, self.min_p, self.top_p, self.top_k];
        Sampler { temperature, min_p, top_p, top_k, vocab: self.vocab }
    }

    pub fn is_score(&self) -> bool {
        self.mode == MODE_SCORE
    }

    /// Whether anything is ever opened.
    pub fn is_opened(&self) -> bool {
        self.mode != MODE_NONE
    }

    /// Whether a step shows its candidates.
    pub fn shows_candidates(&self) -> bool {
        self.mode != MODE_ZK
    }

    /// Whether the token of a shown step follows from its candidates and the seed alone: not with `extra`, not where the
    /// candidates are hidden, and not in a score job, whose tokens another provider drew.
    pub fn draws_are_judgeable(&self) -> bool {
        self.plain && matches!(self.mode, MODE_MERKLE | MODE_FRAUD)
    }
}
