use anchor_lang::prelude::*;

use crate::constants::PROVIDER_SEED;
use crate::errors::EscrowError;
use crate::events::StakeWithdrawn;
use crate::state::Provider;

#[derive(Accounts)]
pub struct ProviderWithdraw<'info> {
    #[account(mut)]
    pub authority: Signer<'info>,
    #[account(
        mut,
        has_one = authority @ EscrowError::Unauthorized,
        seeds = [PROVIDER_SEED, authority.key().as_ref()],
        bump = provider.bump
    )]
    pub provider: Box<Account<'info, Provider>>,
}

impl ProviderWithdraw<'_> {
    /// Pays out what was asked back, once the cooldown is over.
    pub fn provider_withdraw(ctx: Context<Self>) -> Result<()> {
        let provider = &mut ctx.accounts.provider;
        let amount = provider.withdraw(Clock::get()?.unix_timestamp)?;
        provider.sub_lamports(amount)?;
        ctx.accounts.authority.add_lamports(amount)?;
        emit!(StakeWithdrawn { provider: provider.key(), amount, stake: provider.stake });
        Ok(())
    }
}
