use anchor_lang::prelude::*;

use super::slash::*;
use crate::events::SlashReason;
use crate::logic::step::Step;

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
    pub slash: Slash<'info>,
}

impl SlashSampler<'_> {
    fn validate(&self, args: &SlashSamplerArgs) -> Result<()> {
        self.slash.validate(Clock::get()?.unix_timestamp)?;
        self.slash.subject.delivered()?.require_false_draw(args.index, &args.step, &args.path)
    }

    /// Takes the stake of a provider with a committed step whose token does not follow from the seed and the committed
    /// candidates. The provider is bound to the root, so no signature is needed. Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn slash_sampler(ctx: Context<Self>, args: SlashSamplerArgs) -> Result<()> {
        ctx.accounts.slash.execute(SlashReason::Sampler)
    }
}
