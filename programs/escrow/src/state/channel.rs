//! One deposit for many answers.

use anchor_lang::prelude::*;

use super::{add, after, stake_at_risk, subtract, Challenge};
use crate::constants::{ACCOUNT_VERSION, CLOSE_WINDOW, MAX_CHALLENGES, MAX_TERMS_VALIDITY};
use crate::errors::EscrowError;
use crate::logic::ack::{Ack, STOP_CHANNEL};
use crate::logic::channel_terms::ChannelTerms;

/// A channel that is closed has no account any more.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, InitSpace, PartialEq, Eq)]
pub enum ChannelStatus {
    /// In use. Next: close together, or ask to close.
    Open,
    /// One side asked to close. After `CLOSE_WINDOW` anyone finishes it.
    Closing,
}

/// Seeds: `"channel"`, id. Its lamports are the rent minimum and `deposit - settled`.
#[account]
#[derive(Debug, InitSpace, PartialEq, Eq)]
pub struct Channel {
    /// Layout version of this account.
    pub version: u8,
    /// Canonical bump of its address.
    pub bump: u8,
    /// What may happen next.
    pub status: ChannelStatus,
    /// The protocol's channel id: the digest of the terms.
    pub id: [u8; 32],
    /// Wallet that deposited, and gets back what is not spent.
    pub payer: Pubkey,
    /// Authority of the provider's account.
    pub provider: Pubkey,
    /// Key of the provider's node when the channel was opened. A later rotation changes nothing here.
    pub peer: [u8; 32],
    /// Key of the client's node, which signs acknowledgements.
    pub client_peer: [u8; 32],
    /// Lamports deposited, those paid out included.
    pub deposit: u64,
    /// Largest acknowledged total of prices, in lamports.
    pub committed: u64,
    /// Largest acknowledged total of what the client does not object to, in lamports.
    pub released: u64,
    /// Lamports paid out.
    pub settled: u64,
    /// Most lamports that the provider lets stand between `committed` and `released`. Decides the stake at risk.
    pub window: u64,
    /// Lamports of the provider's stake that a proven fault takes.
    pub stake_at_risk: u64,
    /// Unix seconds.
    pub opened_at: i64,
    /// Unix seconds until which the terms could be used. The channel is not closed before, so they are used once.
    pub valid_until: i64,
    /// Unix seconds from which anyone can ask to close.
    pub expires_at: i64,
    /// Unix seconds, 0 while open. `CLOSE_WINDOW` after it the channel can be finished.
    pub closing_at: i64,
    /// The payer objected: what is committed and not released is burnt.
    pub rejected: bool,
    /// Challenges in this channel that wait for answers.
    pub challenges_open: u8,
    /// Challenges ever made in this channel.
    pub challenges_made: u8,
    /// Zero, for later versions.
    pub reserved: [u8; 16],
}

/// Who gets what when a channel ends. The payer gets the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub provider: u64,
    pub burnt: u64,
}

impl Channel {
    pub const SPACE: usize = 8  // discriminator
        + 1                     // version
        + 1                     // bump
        + 1                     // status
        + 32                    // id
        + 32                    // payer
        + 32                    // provider
        + 32                    // peer
        + 32                    // client_peer
        + 8                     // deposit
        + 8                     // committed
        + 8                     // released
        + 8                     // settled
        + 8                     // window
        + 8                     // stake_at_risk
        + 8                     // opened_at
        + 8                     // valid_until
        + 8                     // expires_at
        + 8                     // closing_at
        + 1                     // rejected
        + 1                     // challenges_open
        + 1                     // challenges_made
        + 16; // reserved

    /// The channel of `terms`, whose parties and signature are not checked here.
    pub fn open(terms: &ChannelTerms, id: [u8; 32], bump: u8, now: i64) -> Result<Self> {
        let [valid_until, expires_at] = [time(terms.valid_until)?, time(terms.expires_at)?];
        require!(now <= valid_until, EscrowError::TermsExpired);
        require!(valid_until <= after(now, MAX_TERMS_VALIDITY)?, EscrowError::TermsTooLong);
        Ok(Self {
            version: ACCOUNT_VERSION,
            bump,
            status: ChannelStatus::Open,
            id,
            payer: Pubkey::new_from_array(terms.payer),
            provider: Pubkey::new_from_array(terms.authority),
            peer: terms.provider,
            client_peer: terms.client,
            deposit: terms.deposit,
            committed: 0,
            released: 0,
            settled: 0,
            window: terms.window,
            stake_at_risk: stake_at_risk(terms.window)?,
            opened_at: now,
            valid_until,
            expires_at,
            closing_at: 0,
            rejected: false,
            challenges_open: 0,
            challenges_made: 0,
            reserved: [0; 16],
        })
    }

    pub fn invariant(&self) -> Result<()> {
        let totals = self.settled <= self.released && self.released <= self.committed && self.committed <= self.deposit;
        let challenges = self.challenges_open <= self.challenges_made && self.challenges_made <= MAX_CHALLENGES;
        require!(totals && self.window <= self.deposit && challenges, EscrowError::InvariantViolated);
        Ok(())
    }

    pub fn require_status(&self, status: ChannelStatus) -> Result<()> {
        require!(self.status == status, EscrowError::InvalidStatus);
        Ok(())
    }

    /// That the account may go, or begin to: the terms could otherwise be used again.
    pub fn require_closable(&self, now: i64) -> Result<()> {
        require!(now > self.valid_until, EscrowError::TermsStillValid);
        Ok(())
    }

    pub fn require_unchallenged(&self) -> Result<()> {
        require!(self.challenges_open == 0, EscrowError::ChallengeOpen);
        Ok(())
    }

    /// From this time on the channel can be finished.
    fn closing_end(&self) -> Result<i64> {
        after(self.closing_at, CLOSE_WINDOW)
    }

    /// That the payer can still object.
    pub fn require_can_object(&self, now: i64) -> Result<()> {
        let ended = self.status == ChannelStatus::Closing && now >= self.closing_end()?;
        require!(!ended, EscrowError::CloseWindowClosed);
        Ok(())
    }

    pub fn top_up(&mut self, amount: u64) -> Result<()> {
        self.require_status(ChannelStatus::Open)?;
        require!(amount > 0, EscrowError::AmountZero);
        self.deposit = add(self.deposit, amount)?;
        Ok(())
    }

    /// That `ack`, whose signature is not checked here, is for this channel and within its deposit.
    pub fn require_ack(&self, ack: &Ack) -> Result<()> {
        require!(ack.account == self.id, EscrowError::AckMismatch);
        require!(ack.committed <= self.deposit, EscrowError::AckBeyondDeposit);
        Ok(())
    }

    /// That `ack` closes the channel at once. An older one, which knows less than the account, does not: what happened
    /// since could be objected to.
    pub fn require_final_ack(&self, ack: &Ack) -> Result<()> {
        self.require_ack(ack)?;
        require!(ack.stop == STOP_CHANNEL, EscrowError::ObjectionPossible);
        require!(ack.committed >= self.committed && ack.released >= self.released, EscrowError::AckStale);
        Ok(())
    }

    /// Takes in the totals of `ack`. Smaller ones change nothing.
    pub fn acknowledge(&mut self, ack: &Ack) {
        self.committed = self.committed.max(ack.committed);
        self.released = self.released.max(ack.released);
    }

    /// Marks what is released as paid. Returns how much of it was not.
    pub fn settle(&mut self) -> Result<u64> {
        let due = subtract(self.released, self.settled)?;
        self.settled = self.released;
        Ok(due)
    }

    /// Payer and authority need not wait until the channel expires, any other `caller` must.
    pub fn request_close(&mut self, caller: &Pubkey, now: i64) -> Result<()> {
        self.require_status(ChannelStatus::Open)?;
        let may = *caller == self.payer || *caller == self.provider || now >= self.expires_at;
        require!(may, EscrowError::Unauthorized);
        self.require_closable(now)?;
        self.status = ChannelStatus::Closing;
        self.closing_at = now;
        Ok(())
    }

    pub fn reject(&mut self, now: i64) -> Result<()> {
        self.require_status(ChannelStatus::Closing)?;
        require!(!self.rejected, EscrowError::InvalidStatus);
        self.require_can_object(now)?;
        self.rejected = true;
        Ok(())
    }

    pub fn require_finishable(&self, now: i64) -> Result<()> {
        self.require_status(ChannelStatus::Closing)?;
        require!(now >= self.closing_end()?, EscrowError::CloseWindowOpen);
        self.require_unchallenged()
    }

    /// What is left to pay when the payer's time to object has ended. Its silence is consent.
    pub fn final_shares(&self) -> Result<Shares> {
        let unreleased = subtract(self.committed, self.released)?;
        let [payable, burnt] = if self.rejected { [self.released, unreleased] } else { [self.committed, 0] };
        Ok(Shares { provider: subtract(payable, self.settled)?, burnt })
    }

    /// Counts a challenge. The payer can object until it can also slash for the challenge.
    pub fn challenge(&mut self, challenge: &Challenge) -> Result<()> {
        require!(self.challenges_made < MAX_CHALLENGES, EscrowError::TooManyChallenges);
        self.challenges_made += 1;
        self.challenges_open += 1;
        if self.status == ChannelStatus::Closing {
            self.closing_at = self.closing_at.max(after(challenge.objection_end()?, -CLOSE_WINDOW)?);
        }
        Ok(())
    }

    pub fn challenge_answered(&mut self) -> Result<()> {
        self.challenges_open = self.challenges_open.checked_sub(1).ok_or(EscrowError::MathOverflow)?;
        Ok(())
    }

    /// Wallets that may challenge and keep evidence: the one that deposited and the client's node's own.
    pub fn is_client(&self, wallet: &Pubkey) -> bool {
        *wallet == self.payer || wallet.to_bytes() == self.client_peer
    }
}

/// Unix seconds of a message, as the chain counts them.
fn time(seconds: u64) -> Result<i64> {
    Ok(i64::try_from(seconds).map_err(|_| EscrowError::MathOverflow)?)
}
