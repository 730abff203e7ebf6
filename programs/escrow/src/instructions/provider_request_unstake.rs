use anchor_lang::prelude::*;

use crate::constants::PROVIDER_SEED;
use crate::errors::EscrowError;
use crate::events::UnstakeRequested;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ProviderRequestUnstakeArgs {
    /// Lamports.
    pub amount: u64,
}

#[derive(Accounts)]
pub struct ProviderRequestUnstake<'info> {
    pub authority: Signer<'info>,
    #[account(
        mut,
        has_one = authority @ EscrowError::Unauthorized,
        seeds = [PROVIDER_SEED, authority.key().as_ref()],
        bump = provider.bump
    )]
    pub provider: Box<Account<'info, Provider>>,
}

impl ProviderRequestUnstake<'_> {
    /// Asks for stake back, and starts the cooldown.
    pub fn provider_request_unstake(ctx: Context<Self>, args: ProviderRequestUnstakeArgs) -> Result<()> {
        let provider = &mut ctx.accounts.provider;
        provider.request_unstake(args.amount, Clock::get()?.unix_timestamp)?;
        emit!(UnstakeRequested { provider: provider.key(), amount: args.amount, unstake_at: provider.unstake_at });
        Ok(())
    }
}
