//! One answer with a payment of its own.

use anchor_lang::prelude::*;

use super::{after, stake_at_risk, Challenge, Delivered, Delivery, Terms};
use crate::constants::{
    ACCOUNT_VERSION, MAX_CHECK_WINDOW, MAX_DELIVER_WITHIN, MAX_TOKENS, MIN_CHECK_WINDOW, MIN_DELIVER_WITHIN,
};
use crate::errors::EscrowError;
use crate::logic::ack::{Ack, STOP_ANSWER};
use crate::logic::head::{Head, FINISH_SCORED, FINISH_STOPPED};
use crate::logic::offer::{Offer, PAY_JOB};
use crate::logic::price::paid_count;

/// A job that has ended has no account any more.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, InitSpace, PartialEq, Eq)]
pub enum JobStatus {
    /// The client's lamports are locked. Next: submit or refund.
    Open,
    /// The provider's head is stored and its stake locked. Next: confirm, reject, challenge or slash.
    Submitted,
}

/// Seeds: `"job"`, client, job id. Its lamports are the rent minimum, `amount`, and the bond of an open challenge.
#[account]
#[derive(Debug, InitSpace, PartialEq, Eq)]
pub struct Job {
    /// Layout version of this account.
    pub version: u8,
    /// Canonical bump of its address.
    pub bump: u8,
    /// What may happen next.
    pub status: JobStatus,
    /// Wallet that paid, and gets back what is not spent.
    pub client: Pubkey,
    /// Authority of the provider's account.
    pub provider: Pubkey,
    /// Lamports locked: the price of all tokens that the offer covers.
    pub amount: u64,
    /// Unix seconds.
    pub created_at: i64,
    /// Seconds from `created_at` in which the job can be submitted. From then on anyone can refund it.
    pub deliver_within: u32,
    /// Unix seconds, 0 while open.
    pub submitted_at: i64,
    /// Unix seconds, 0 while open. Until then the client can reject, from then on anyone can confirm.
    pub release_at: i64,
    /// Lamports of the provider's stake that a proven fault takes, 0 while open.
    pub stake_at_risk: u64,
    /// What was agreed on.
    pub terms: Terms,
    /// What was delivered.
    pub delivery: Delivery,
    /// Zero, for later versions.
    pub reserved: [u8; 16],
}

impl Job {
    pub const SPACE: usize = 8  // discriminator
        + 1                     // version
        + 1                     // bump
        + 1                     // status
        + 32                    // client
        + 32                    // provider
        + 8                     // amount
        + 8                     // created_at
        + 4                     // deliver_within
        + 8                     // submitted_at
        + 8                     // release_at
        + 8                     // stake_at_risk
        + Terms::SPACE          // terms
        + Delivery::SPACE       // delivery
        + 16; // reserved

    /// The job that `offer` pays for, where it is for this client and still valid.
    pub fn open(offer: &Offer, terms: Terms, client: Pubkey, provider: Pubkey, bump: u8, now: i64) -> Result<Self> {
        let agreed = offer.pay == PAY_JOB && offer.account == client.to_bytes();
        require!(agreed, EscrowError::OfferMismatch);
        require!(i128::from(now) * 1_000 < i128::from(offer.expires_at), EscrowError::OfferExpired);
        require!(offer.max_tokens <= MAX_TOKENS, EscrowError::TooManyTokens);
        let deliverable = (MIN_DELIVER_WITHIN..=MAX_DELIVER_WITHIN).contains(&offer.deliver_within);
        require!(deliverable, EscrowError::InvalidDeliverWithin);
        require!(offer.amount > 0, EscrowError::AmountZero);
        require!(u128::from(offer.amount) == terms.full_price(), EscrowError::AmountMismatch);
        Ok(Self {
            version: ACCOUNT_VERSION,
            bump,
            status: JobStatus::Open,
            client,
            provider,
            amount: offer.amount,
            created_at: now,
            deliver_within: offer.deliver_within,
            submitted_at: 0,
            release_at: 0,
            stake_at_risk: 0,
            terms,
            delivery: Delivery::none(),
            reserved: [0; 16],
        })
    }

    pub fn require_status(&self, status: JobStatus) -> Result<()> {
        require!(self.status == status, EscrowError::InvalidStatus);
        Ok(())
    }

    /// From this time on the job is refunded and no longer submitted.
    fn deadline(&self) -> Result<i64> {
        after(self.created_at, i64::from(self.deliver_within))
    }

    /// The provider's authority need not wait for the deadline, any other `caller` must.
    pub fn require_refundable(&self, caller: &Pubkey, now: i64) -> Result<()> {
        self.require_status(JobStatus::Open)?;
        let due = *caller == self.provider || now >= self.deadline()?;
        require!(due, EscrowError::DeliveryPending);
        Ok(())
    }

    /// The client need not wait until `release_at`, any other `caller` must.
    pub fn require_confirmable(&self, caller: &Pubkey, now: i64) -> Result<()> {
        self.require_status(JobStatus::Submitted)?;
        self.require_unchallenged()?;
        require!(*caller == self.client || now >= self.release_at, EscrowError::CheckWindowOpen);
        Ok(())
    }

    /// That the client can still object, by rejecting or by a challenge.
    pub fn require_can_object(&self, now: i64) -> Result<()> {
        self.require_status(JobStatus::Submitted)?;
        require!(now < self.release_at, EscrowError::CheckWindowClosed);
        Ok(())
    }

    /// That `head` can be submitted at `now` with `ack`, whose signature is not checked here.
    pub fn require_submittable(&self, head: &Head, ack: &Ack, now: i64) -> Result<()> {
        self.require_status(JobStatus::Open)?;
        require!(now < self.deadline()?, EscrowError::DeadlinePassed);
        require!(head.job_id == self.terms.job_id, EscrowError::HeadMismatch);
        require!(head.token_count <= self.terms.max_tokens, EscrowError::TooManyTokens);
        require!(head.prompt_count <= self.terms.prompt_tokens, EscrowError::PromptTooLong);
        require!(ack.job_id == self.terms.job_id && !ack.names_channel(), EscrowError::AckMismatch);
        require!(ack.n <= head.token_count, EscrowError::AckBeyondAnswer);
        let ends = head.is_final()
            && (head.finish == FINISH_SCORED) == self.terms.is_score()
            && (head.finish != FINISH_STOPPED || ack.stop == STOP_ANSWER);
        require!(ends, EscrowError::InvalidFinish);
        Ok(())
    }

    /// Stores what was delivered. A client has as long to check an answer as the provider took to write it.
    pub fn submit(&mut self, head: &Head, ack: &Ack, now: i64) -> Result<()> {
        self.status = JobStatus::Submitted;
        self.submitted_at = now;
        let took = now.saturating_sub(self.created_at);
        self.release_at = after(now, took.clamp(MIN_CHECK_WINDOW, MAX_CHECK_WINDOW))?;
        self.delivery = Delivery::of(head, paid_count(head.token_count, ack.n, self.terms.grace));
        self.stake_at_risk = stake_at_risk(self.payout())?;
        Ok(())
    }

    /// Lamports that the submitted answer costs.
    pub fn payout(&self) -> u64 {
        let price = self.terms.price(self.delivery.prompt_count, self.delivery.paid_count);
        u64::try_from(price).map_or(self.amount, |price| price.min(self.amount))
    }

    /// Starts a challenge. The client can object until it can also slash for the challenge.
    pub fn challenge(&mut self, challenge: Challenge) -> Result<()> {
        self.release_at = self.release_at.max(challenge.objection_end()?);
        self.delivery.challenge = challenge;
        Ok(())
    }

    /// Who gets the bond of an open challenge back; without one, the client.
    pub fn bond_owner(&self) -> Pubkey {
        self.delivery.challenge.bond_owner(self.client)
    }

    /// Wallets that may challenge: the one that paid and the client's node's own.
    pub fn is_client(&self, wallet: &Pubkey) -> bool {
        *wallet == self.client || wallet.to_bytes() == self.terms.client_peer
    }
}

impl Delivered for Job {
    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}
