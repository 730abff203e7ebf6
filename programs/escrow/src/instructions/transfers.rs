//! How lamports move into and out of the accounts of this program.

use anchor_lang::prelude::*;
use anchor_lang::system_program::{transfer, Transfer};

use crate::state::Provider;

/// Moves lamports of a wallet, which signs, into an account of this program.
pub fn deposit<'info>(
    system_program: &Program<'info, System>,
    from: AccountInfo<'info>,
    to: AccountInfo<'info>,
    lamports: u64,
) -> Result<()> {
    transfer(CpiContext::new(system_program.to_account_info(), Transfer { from, to }), lamports)
}

/// Moves lamports out of an account of this program.
pub fn pay(from: &AccountInfo, to: &AccountInfo, lamports: u64) -> Result<()> {
    from.sub_lamports(lamports)?;
    to.add_lamports(lamports)?;
    Ok(())
}

/// Pays into the provider's account, as free stake: a wallet could be empty, and an empty one cannot be given less than
/// its rent minimum, so that the payment would hold up the client's own money.
pub fn pay_provider<'info>(
    from: &AccountInfo<'info>,
    provider: &mut Account<'info, Provider>,
    lamports: u64,
) -> Result<()> {
    pay(from, &provider.to_account_info(), lamports)?;
    provider.credit(lamports)
}

/// Gives a challenge's bond back out of an account that is closed next. Where the challenger's wallet is empty and could
/// not hold so little, the bond goes with the rest of the account, so that it never holds that up.
pub fn return_bond(from: &AccountInfo, challenger: &AccountInfo, bond: u64) -> Result<()> {
    let least = Rent::get()?.minimum_balance(challenger.data_len());
    if challenger.lamports().saturating_add(bond) < least {
        return Ok(());
    }
    pay(from, challenger, bond)
}
