use anchor_lang::prelude::*;

use super::transfers::deposit;
use crate::constants::PROVIDER_SEED;
use crate::events::StakeAdded;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ProviderAddStakeArgs {
    /// Lamports.
    pub amount: u64,
}

#[derive(Accounts)]
pub struct ProviderAddStake<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    pub system_program: Program<'info, System>,
}

impl ProviderAddStake<'_> {
    /// Adds to the stake; anyone may pay.
    pub fn provider_add_stake(ctx: Context<Self>, args: ProviderAddStakeArgs) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.provider.add_stake(args.amount)?;
        let [from, to] = [accounts.payer.to_account_info(), accounts.provider.to_account_info()];
        deposit(&accounts.system_program, from, to, args.amount)?;
        emit!(StakeAdded {
            provider: accounts.provider.key(),
            payer: accounts.payer.key(),
            amount: args.amount,
            stake: accounts.provider.stake,
        });
        Ok(())
    }
}
