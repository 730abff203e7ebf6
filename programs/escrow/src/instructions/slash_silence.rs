use anchor_lang::prelude::*;

use super::slash::*;
use crate::events::SlashReason;

#[derive(Accounts)]
pub struct SlashSilence<'info> {
    pub slash: Slash<'info>,
}

impl SlashSilence<'_> {
    fn validate(&self) -> Result<()> {
        let now = Clock::get()?.unix_timestamp;
        self.slash.validate(now)?;
        self.slash.subject.delivered()?.require_silence(now)
    }

    /// Takes the stake of a provider that did not answer a challenge in time. Anyone may call it.
    #[access_control(ctx.accounts.validate())]
    pub fn slash_silence(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.slash.execute(SlashReason::Silence)
    }
}
