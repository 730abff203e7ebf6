//! One paid answer.

use anchor_lang::prelude::*;

use crate::constants::{ACCOUNT_VERSION, CONFIRM_WINDOW, JOB_TIMEOUT, MAX_TOKENS, SLASH_MULTIPLE};
use crate::errors::EscrowError;
use crate::logic::head::{finish_fits, Head, FINISH_CANCEL, NOT_FINAL};
use crate::logic::payout::{paid_count, payout};
use crate::logic::sampler::Sampler;

/// A job that is settled has no account any more.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, InitSpace, PartialEq, Eq)]
pub enum JobStatus {
    /// The client's lamports are locked. Next: submit, decline, or after the time-out refund.
    Open,
    /// The provider's head is stored and its stake locked. Next: confirm, reject, slash, or after the window claim.
    Submitted,
}

/// Seeds: `"job"`, client, job id. Its lamports are the rent minimum and `amount`.
#[account]
#[derive(Debug, InitSpace, PartialEq, Eq)]
pub struct Job {
    /// Layout version of this account.
    pub version: u8,
    /// Canonical bump of its address.
    pub bump: u8,
    /// What may happen next.
    pub status: JobStatus,
    /// The protocol's job id: a digest of the offer.
    pub job_id: [u8; 32],
    /// Wallet that paid, and gets back what is not spent.
    pub client: Pubkey,
    /// Authority of the provider, which is paid.
    pub provider: Pubkey,
    /// Key of the provider's node when the job was created. A later rotation changes nothing here.
    pub peer: [u8; 32],
    /// Key of the client's node, the offer's `client`. Signs a cancel.
    pub client_peer: [u8; 32],
    /// Lamports per 1,000 prompt tokens.
    pub price_in: u64,
    /// Lamports per 1,000 answer tokens.
    pub price_out: u64,
    /// Lamports locked: the most that the answer can cost.
    pub amount: u64,
    /// Lamports of the provider's stake that a proven fault takes.
    pub stake_at_risk: u64,
    /// Seed of the draws.
    pub seed: [u8; 32],
    /// How tokens are drawn.
    pub sampler: Sampler,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds, 0 while open.
    pub submitted_at: i64,
    /// Tokens of the prompt, 0 while open, as all that follows.
    pub prompt_count: u32,
    /// Tokens of the answer.
    pub token_count: u32,
    /// Tokens of the answer that are paid: fewer where it was cancelled.
    pub paid_count: u32,
    /// Root of the tree over all steps.
    pub root: [u8; 32],
    /// Digest of the answer's text.
    pub text_digest: [u8; 32],
    /// How the answer ended: 0 stop token, 1 most tokens, 2 cancelled; 255 while open.
    pub finish: u8,
    /// Number of this job among its provider's. Two jobs that follow each other under one address differ in it.
    pub number: u64,
}

/// What the client asks for and pays.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct JobTerms {
    /// The protocol's job id: a digest of the offer.
    pub job_id: [u8; 32],
    /// Key of the node that the client's quote is from.
    pub peer: [u8; 32],
    /// Key of the client's node, which signs a cancel.
    pub client_peer: [u8; 32],
    /// Lamports per 1,000 prompt tokens.
    pub price_in: u64,
    /// Lamports per 1,000 answer tokens.
    pub price_out: u64,
    /// Lamports to lock.
    pub amount: u64,
    /// Seed of the draws.
    pub seed: [u8; 32],
    /// How tokens are drawn.
    pub sampler: Sampler,
    /// Most tokens of the answer.
    pub max_tokens: u32,
}

/// What the provider says it delivered: the fields of its final head.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct Delivery {
    /// Root of the tree over all steps.
    pub root: [u8; 32],
    /// Digest of the answer's text.
    pub text_digest: [u8; 32],
    /// Tokens of the prompt.
    pub prompt_count: u32,
    /// Tokens of the answer.
    pub token_count: u32,
    /// How the answer ended: 0 stop token, 1 most tokens, 2 cancelled.
    pub finish: u8,
    /// Tokens that the client's cancel names, where `finish` is 2 and only there.
    pub cancel_n: Option<u32>,
}

impl Job {
    pub const SPACE: usize = 8  // discriminator
        + 1                     // version
        + 1                     // bump
        + 1                     // status
        + 32                    // job_id
        + 32                    // client
        + 32                    // provider
        + 32                    // peer
        + 32                    // client_peer
        + 8                     // price_in
        + 8                     // price_out
        + 8                     // amount
        + 8                     // stake_at_risk
        + 32                    // seed
        + 1                     // sampler.temperature
        + 1                     // sampler.min_p
        + 1                     // sampler.top_k
        + 4                     // sampler.vocab
        + 4                     // max_tokens
        + 8                     // created_at
        + 8                     // submitted_at
        + 4                     // prompt_count
        + 4                     // token_count
        + 4                     // paid_count
        + 32                    // root
        + 32                    // text_digest
        + 1                     // finish
        + 8; // number

    /// Stake that a job of this amount puts at risk.
    pub fn stake_at_risk(amount: u64) -> Result<u64> {
        Ok(amount.checked_mul(SLASH_MULTIPLE).ok_or(EscrowError::MathOverflow)?)
    }

    pub fn open(terms: &JobTerms, client: Pubkey, provider: Pubkey, number: u64, bump: u8, now: i64) -> Result<Self> {
        require!(terms.amount > 0, EscrowError::AmountZero);
        require!(terms.sampler.is_valid() && terms.max_tokens >= 1, EscrowError::InvalidSampler);
        require!(terms.max_tokens <= MAX_TOKENS, EscrowError::TooManyTokens);
        Ok(Self {
            version: ACCOUNT_VERSION,
            bump,
            status: JobStatus::Open,
            job_id: terms.job_id,
            client,
            provider,
            peer: terms.peer,
            client_peer: terms.client_peer,
            price_in: terms.price_in,
            price_out: terms.price_out,
            amount: terms.amount,
            stake_at_risk: Self::stake_at_risk(terms.amount)?,
            seed: terms.seed,
            sampler: terms.sampler,
            max_tokens: terms.max_tokens,
            created_at: now,
            submitted_at: 0,
            prompt_count: 0,
            token_count: 0,
            paid_count: 0,
            root: [0; 32],
            text_digest: [0; 32],
            finish: NOT_FINAL,
            number,
        })
    }

    pub fn require_status(&self, status: JobStatus) -> Result<()> {
        require!(self.status == status, EscrowError::InvalidStatus);
        Ok(())
    }

    /// From this time on the job is refunded and no longer submitted.
    fn deadline(&self) -> Result<i64> {
        Ok(self.created_at.checked_add(JOB_TIMEOUT).ok_or(EscrowError::MathOverflow)?)
    }

    /// From this time on the payment is released and no longer rejected.
    fn release_at(&self) -> Result<i64> {
        Ok(self.submitted_at.checked_add(CONFIRM_WINDOW).ok_or(EscrowError::MathOverflow)?)
    }

    pub fn require_refundable(&self, now: i64) -> Result<()> {
        self.require_status(JobStatus::Open)?;
        require!(now >= self.deadline()?, EscrowError::TimeoutNotReached);
        Ok(())
    }

    pub fn require_rejectable(&self, now: i64) -> Result<()> {
        self.require_status(JobStatus::Submitted)?;
        require!(now < self.release_at()?, EscrowError::ConfirmWindowClosed);
        Ok(())
    }

    pub fn require_claimable(&self, now: i64) -> Result<()> {
        self.require_status(JobStatus::Submitted)?;
        require!(now >= self.release_at()?, EscrowError::ConfirmWindowOpen);
        Ok(())
    }

    /// That `delivery` may be submitted for this job at `now`. The cancel's signature is not checked here.
    pub fn require_submittable(&self, delivery: &Delivery, number: u64, now: i64) -> Result<()> {
        self.require_status(JobStatus::Open)?;
        require!(number == self.number, EscrowError::JobReplaced);
        require!(now < self.deadline()?, EscrowError::DeadlinePassed);
        require!(delivery.token_count <= self.max_tokens, EscrowError::TooManyTokens);
        require!(finish_fits(delivery.finish, delivery.token_count, self.max_tokens), EscrowError::InvalidFinish);
        let cancel_fits = match delivery.cancel_n {
            Some(n) => delivery.finish == FINISH_CANCEL && n <= delivery.token_count,
            None => delivery.finish != FINISH_CANCEL,
        };
        require!(cancel_fits, EscrowError::CancelMismatch);
        Ok(())
    }

    pub fn submit(&mut self, delivery: &Delivery, now: i64) {
        self.status = JobStatus::Submitted;
        self.submitted_at = now;
        self.prompt_count = delivery.prompt_count;
        self.token_count = delivery.token_count;
        self.paid_count = paid_count(delivery.token_count, delivery.cancel_n);
        self.root = delivery.root;
        self.text_digest = delivery.text_digest;
        self.finish = delivery.finish;
    }

    /// Whether `head` says what was submitted.
    pub fn matches(&self, head: &Head) -> bool {
        (head.token_count, head.prompt_count, head.finish) == (self.token_count, self.prompt_count, self.finish)
            && head.root == self.root
            && head.text_digest == self.text_digest
    }

    /// Lamports that the submitted answer costs.
    pub fn payout(&self) -> u64 {
        payout(self.amount, self.prompt_count, self.paid_count, self.price_in, self.price_out)
    }
}
