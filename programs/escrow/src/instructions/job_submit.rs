use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobSubmitted;
use crate::logic::cancel::cancel_body;
use crate::logic::ed25519::Expected;
use crate::logic::message::{signed_message, CANCEL_KIND};
use crate::state::{Delivery, Job, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct JobSubmitArgs {
    /// Number of the job that was served. A client that has its money back could create another job under the same id,
    /// with another seed, and have a submit that is still under way land on that.
    pub number: u64,
    /// The fields of the final head.
    pub delivery: Delivery,
}

#[derive(Accounts)]
pub struct JobSubmit<'info> {
    #[account(address = job.provider @ EscrowError::Unauthorized)]
    pub authority: Signer<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(mut, seeds = [JOB_SEED, job.client.as_ref(), &job.job_id], bump = job.bump)]
    pub job: Box<Account<'info, Job>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl JobSubmit<'_> {
    fn validate(&self, args: &JobSubmitArgs) -> Result<()> {
        let job = &self.job;
        job.require_submittable(&args.delivery, args.number, Clock::get()?.unix_timestamp)?;
        if let Some(n) = args.delivery.cancel_n {
            let message = signed_message(CANCEL_KIND, &job.job_id, &cancel_body(&job.job_id, n));
            require_signatures(&self.instructions, &[Expected { key: &job.client_peer, message: &message }])?;
        }
        Ok(())
    }

    /// Stores what the provider delivered and locks its stake for it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn job_submit(ctx: Context<Self>, args: JobSubmitArgs) -> Result<()> {
        let JobSubmit { provider, job, .. } = ctx.accounts;
        provider.lock_stake(job.stake_at_risk)?;
        job.submit(&args.delivery, Clock::get()?.unix_timestamp);
        emit!(JobSubmitted {
            job: job.key(),
            job_id: job.job_id,
            client: job.client,
            provider: job.provider,
            root: job.root,
            text_digest: job.text_digest,
            prompt_count: job.prompt_count,
            token_count: job.token_count,
            paid_count: job.paid_count,
            finish: job.finish,
            submitted_at: job.submitted_at,
        });
        Ok(())
    }
}
