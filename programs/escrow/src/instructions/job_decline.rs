use anchor_lang::prelude::*;

use crate::constants::JOB_SEED;
use crate::errors::EscrowError;
use crate::events::JobDeclined;
use crate::state::{Job, JobStatus};

#[derive(Accounts)]
pub struct JobDecline<'info> {
    #[account(address = job.provider @ EscrowError::Unauthorized)]
    pub authority: Signer<'info>,
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
}

impl JobDecline<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_status(JobStatus::Open)
    }

    /// Gives everything back at once: the provider will not serve this job.
    #[access_control(ctx.accounts.validate())]
    pub fn job_decline(ctx: Context<Self>) -> Result<()> {
        let job = &ctx.accounts.job;
        emit!(JobDeclined {
            job: job.key(),
            job_id: job.job_id,
            client: job.client,
            provider: job.provider,
            refunded: job.amount,
        });
        Ok(())
    }
}
