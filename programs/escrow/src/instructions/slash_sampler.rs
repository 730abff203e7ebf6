use anchor_lang::prelude::*;

use super::transfers::Slash;
use crate::constants::{JOB_SEED, MAX_PATH, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::SlashReason;
use crate::logic::merkle::root_of_path;
use crate::logic::step::Step;
use crate::state::{Job, JobStatus, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct SlashSamplerArgs {
    /// Index of the step among the answer's tokens.
    pub index: u32,
    /// What its leaf was made of.
    pub step: Step,
    /// Audit path, from the leaf up.
    pub path: Vec<[u8; 32]>,
}

#[derive(Accounts)]
pub struct SlashSampler<'info> {
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
}

impl SlashSampler<'_> {
    fn validate(&self, args: &SlashSamplerArgs) -> Result<()> {
        let job = &self.job;
        job.require_status(JobStatus::Submitted)?;
        require!(args.path.len() <= usize::from(MAX_PATH), EscrowError::PathTooLong);
        let leaf = args.step.leaf(&job.job_id, args.index).ok_or(EscrowError::RootMismatch)?;
        let root = root_of_path(&leaf, args.index, job.token_count, &args.path);
        require!(root == Some(job.root), EscrowError::RootMismatch);
        let honest = job.sampler.follows(&job.seed, args.index, &args.step.candidates, args.step.token);
        require!(!honest, EscrowError::TokenFollows);
        Ok(())
    }

    /// Takes the stake of a provider with a committed step whose token does not follow from the seed and the committed
    /// candidates. The root was submitted by the provider, so no signature is needed. Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn slash_sampler(ctx: Context<Self>, args: SlashSamplerArgs) -> Result<()> {
        let SlashSampler { client, provider, incinerator, job, .. } = ctx.accounts;
        Slash { job, provider, client, incinerator }.execute(SlashReason::Sampler)
    }
}
