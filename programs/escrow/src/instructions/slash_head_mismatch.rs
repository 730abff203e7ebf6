use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use super::slash_equivocation::require_head;
use super::transfers::Slash;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::SlashReason;
use crate::logic::ed25519::Expected;
use crate::logic::head::HEAD_SIZE;
use crate::logic::message::{signed_message, HEAD_KIND};
use crate::state::{Job, JobStatus, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct SlashHeadMismatchArgs {
    /// Body of a final head, signed in the instruction before.
    pub head: [u8; HEAD_SIZE],
}

#[derive(Accounts)]
pub struct SlashHeadMismatch<'info> {
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: lamports sent to this address are destroyed.
    #[account(mut, address = solana_sdk_ids::incinerator::ID)]
    pub incinerator: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl SlashHeadMismatch<'_> {
    fn validate(&self, args: &SlashHeadMismatchArgs) -> Result<()> {
        self.job.require_status(JobStatus::Submitted)?;
        let head = require_head(&self.job, &args.head)?;
        require!(head.is_final(), EscrowError::HeadNotFinal);
        let message = signed_message(HEAD_KIND, &self.job.job_id, &args.head);
        require_signatures(&self.instructions, &[Expected { key: &self.job.peer, message: &message }])?;
        require!(!self.job.matches(&head), EscrowError::SameHead);
        Ok(())
    }

    /// Takes the stake of a provider that submitted something else than the final head it signed. Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn slash_head_mismatch(ctx: Context<Self>, args: SlashHeadMismatchArgs) -> Result<()> {
        let SlashHeadMismatch { client, provider, incinerator, job, .. } = ctx.accounts;
        Slash { job, provider, client, incinerator }.execute(SlashReason::HeadMismatch)
    }
}
