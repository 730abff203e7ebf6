use anchor_lang::prelude::*;

use crate::constants::JOB_SEED;
use crate::errors::EscrowError;
use crate::events::JobRefunded;
use crate::state::Job;

#[derive(Accounts)]
pub struct JobRefund<'info> {
    /// The provider's authority, or anyone once the time for the delivery is over.
    pub caller: Signer<'info>,
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.terms.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
}

impl JobRefund<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_refundable(&self.caller.key(), Clock::get()?.unix_timestamp)
    }

    /// Gives everything back: the provider declines the job, or did not submit it in time. It counts in no record, since
    /// anyone could make such jobs.
    #[access_control(ctx.accounts.validate())]
    pub fn job_refund(ctx: Context<Self>) -> Result<()> {
        let JobRefund { caller, job, .. } = ctx.accounts;
        emit!(JobRefunded {
            job: job.key(),
            job_id: job.terms.job_id,
            client: job.client,
            provider: job.provider,
            caller: caller.key(),
            refunded: job.amount,
        });
        Ok(())
    }
}
