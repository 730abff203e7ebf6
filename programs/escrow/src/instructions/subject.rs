//! The answer that an instruction is about: in a job's own account, or in an evidence with its channel.

use anchor_lang::prelude::*;

use crate::constants::{CHANNEL_SEED, EVIDENCE_SEED, JOB_SEED};
use crate::errors::EscrowError;
use crate::state::{Channel, Delivered, Evidence, Job, JobStatus};

/// Either `job`, or `evidence` and `channel`.
#[derive(Accounts)]
pub struct Subject<'info> {
    #[account(mut, seeds = [JOB_SEED, job.client.as_ref(), &job.terms.job_id], bump = job.bump)]
    pub job: Option<Box<Account<'info, Job>>>,
    #[account(mut, seeds = [EVIDENCE_SEED, evidence.channel.as_ref(), &evidence.terms.job_id], bump = evidence.bump)]
    pub evidence: Option<Box<Account<'info, Evidence>>>,
    #[account(mut, seeds = [CHANNEL_SEED, &channel.id], bump = channel.bump)]
    pub channel: Option<Box<Account<'info, Channel>>>,
}

/// The accounts that were given, to be changed.
pub enum SubjectMut<'a, 'info> {
    Job(&'a mut Account<'info, Job>),
    Channel(&'a mut Account<'info, Evidence>, &'a mut Account<'info, Channel>),
}

/// The accounts that were given, to be read.
enum SubjectRef<'a, 'info> {
    Job(&'a Account<'info, Job>),
    Channel(&'a Account<'info, Evidence>, &'a Account<'info, Channel>),
}

impl<'info> Subject<'info> {
    fn get(&self) -> Result<SubjectRef<'_, 'info>> {
        match (&self.job, &self.evidence, &self.channel) {
            (Some(job), None, None) => Ok(SubjectRef::Job(job)),
            (None, Some(evidence), Some(channel)) => Ok(SubjectRef::Channel(evidence, channel)),
            _ => err!(EscrowError::SubjectMismatch),
        }
    }

    pub fn get_mut(&mut self) -> Result<SubjectMut<'_, 'info>> {
        match (&mut self.job, &mut self.evidence, &mut self.channel) {
            (Some(job), None, None) => Ok(SubjectMut::Job(job)),
            (None, Some(evidence), Some(channel)) => Ok(SubjectMut::Channel(evidence, channel)),
            _ => err!(EscrowError::SubjectMismatch),
        }
    }

    /// The answer, where something can be proved about it: a job's once it is submitted, an evidence's while its own
    /// channel is there.
    pub fn delivered(&self) -> Result<&dyn Delivered> {
        match self.get()? {
            SubjectRef::Job(job) => {
                job.require_status(JobStatus::Submitted)?;
                Ok(&**job)
            }
            SubjectRef::Channel(evidence, channel) => {
                require_keys_eq!(evidence.channel, channel.key(), EscrowError::SubjectMismatch);
                Ok(&**evidence)
            }
        }
    }

    /// Address of the account that holds the money.
    pub fn address(&self) -> Result<Pubkey> {
        Ok(match self.get()? {
            SubjectRef::Job(job) => job.key(),
            SubjectRef::Channel(_, channel) => channel.key(),
        })
    }

    /// Wallet that put up the money.
    pub fn funder(&self) -> Result<Pubkey> {
        Ok(match self.get()? {
            SubjectRef::Job(job) => job.client,
            SubjectRef::Channel(_, channel) => channel.payer,
        })
    }

    /// Key of the node that signed the answer.
    pub fn peer(&self) -> Result<[u8; 32]> {
        Ok(self.delivered()?.terms().peer)
    }

    /// That the provider's account with this authority is the one that answers for the subject.
    pub fn require_provider(&self, authority: &Pubkey) -> Result<()> {
        let expected = match self.get()? {
            SubjectRef::Job(job) => job.provider,
            SubjectRef::Channel(_, channel) => channel.provider,
        };
        require_keys_eq!(*authority, expected, EscrowError::Unauthorized);
        Ok(())
    }

    /// That `wallet` may challenge the answer, and still in time.
    pub fn require_challenger(&self, wallet: &Pubkey, now: i64) -> Result<()> {
        let may = match self.get()? {
            SubjectRef::Job(job) => {
                job.require_can_object(now)?;
                job.is_client(wallet)
            }
            SubjectRef::Channel(_, channel) => {
                channel.require_can_object(now)?;
                channel.is_client(wallet)
            }
        };
        require!(may, EscrowError::Unauthorized);
        Ok(())
    }
}
