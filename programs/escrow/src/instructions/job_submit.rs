use anchor_lang::prelude::*;

use super::signatures::require_ack;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobSubmitted;
use crate::logic::ack::{Ack, ACK_SIZE};
use crate::logic::head::{Head, HEAD_SIZE};
use crate::state::{Job, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct JobSubmitArgs {
    /// Body of the final head. It counts as signed by the provider's node.
    pub head: [u8; HEAD_SIZE],
    /// Body of the client's last acknowledgement, which is signed in the instruction before.
    pub ack: [u8; ACK_SIZE],
}

#[derive(Accounts)]
pub struct JobSubmit<'info> {
    #[account(address = job.provider @ EscrowError::Unauthorized)]
    pub authority: Signer<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(mut, seeds = [JOB_SEED, job.client.as_ref(), &job.terms.job_id], bump = job.bump)]
    pub job: Box<Account<'info, Job>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl JobSubmit<'_> {
    fn validate(&self, args: &JobSubmitArgs) -> Result<()> {
        let job = &self.job;
        let ack = require_ack(&self.instructions, &args.ack, &job.terms.client_peer)?;
        job.require_submittable(&Head::parse(&args.head)?, &ack, Clock::get()?.unix_timestamp)
    }

    /// Stores what the provider delivered and locks its stake for what it is paid.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn job_submit(ctx: Context<Self>, args: JobSubmitArgs) -> Result<()> {
        let JobSubmit { provider, job, .. } = ctx.accounts;
        job.submit(&Head::parse(&args.head)?, &Ack::parse(&args.ack)?, Clock::get()?.unix_timestamp)?;
        provider.lock_stake(job.stake_at_risk)?;
        provider.invariant()?;
        emit!(JobSubmitted {
            job: job.key(),
            job_id: job.terms.job_id,
            client: job.client,
            provider: job.provider,
            root: job.delivery.root,
            text_digest: job.delivery.text_digest,
            prompt_count: job.delivery.prompt_count,
            token_count: job.delivery.token_count,
            paid_count: job.delivery.paid_count,
            finish: job.delivery.finish,
            payout: job.payout(),
            release_at: job.release_at,
        });
        Ok(())
    }
}
