use super::*;

#[test]
fn below_the_minimum() {
    refused(Provider::new(AUTHORITY, [1; 32], MIN_STAKE - 1, 255, NOW), EscrowError::StakeTooLow);
}

#[test]
fn locked_does_not_leave() {
    let mut provider = provider(MIN_STAKE);
    provider.lock_stake(MIN_STAKE - 10).unwrap();
    refused(provider.withdraw(11), EscrowError::StakeLocked);
    refused(provider.withdraw(0), EscrowError::AmountZero);
    provider.withdraw(10).unwrap();
    assert_eq!((provider.stake, provider.free_stake()), (MIN_STAKE - 10, 0));
    provider.invariant().unwrap();
}

#[test]
fn is_locked_once_for_each_thing() {
    let mut provider = provider(MIN_STAKE);
    provider.lock_stake(MIN_STAKE / 2).unwrap();
    provider.lock_stake(MIN_STAKE / 2).unwrap();
    refused(provider.lock_stake(1), EscrowError::StakeTooLow);
    provider.unlock_stake(1).unwrap();
    provider.lock_stake(1).unwrap();
}

#[test]
fn is_slashed_without_touching_what_other_jobs_locked() {
    let mut provider = provider(MIN_STAKE);
    provider.lock_stake(100).unwrap();
    provider.lock_stake(50).unwrap();
    provider.slash(50).unwrap();
    assert_eq!((provider.stake, provider.locked_stake, provider.jobs_slashed), (MIN_STAKE - 50, 100, 1));
    provider.slash(100).unwrap();
    refused(provider.slash(1), EscrowError::MathOverflow);
}

#[test]
fn never_overflows() {
    refused(provider(u64::MAX).credit(1), EscrowError::MathOverflow);
    refused(provider(MIN_STAKE).add_stake(0), EscrowError::AmountZero);
    refused(stake_at_risk(u64::MAX / SLASH_MULTIPLE + 1), EscrowError::MathOverflow);
    assert_eq!(stake_at_risk(u64::MAX / SLASH_MULTIPLE).unwrap(), u64::MAX - u64::MAX % SLASH_MULTIPLE);
}

#[test]
fn an_account_that_locks_more_than_it_has_breaks_its_rule() {
    let broken = Provider { locked_stake: MIN_STAKE + 1, ..provider(MIN_STAKE) };
    refused(broken.invariant(), EscrowError::InvariantViolated);
}

#[test]
fn counters_never_hold_up_money() {
    let mut provider = provider(MIN_STAKE);
    (provider.jobs_completed, provider.earned) = (u64::MAX, u64::MAX - 1);
    (provider.jobs_rejected, provider.rejected) = (u32::MAX, u64::MAX);
    provider.count_completed();
    provider.count_earned(2);
    provider.count_rejected(1);
    assert_eq!((provider.jobs_completed, provider.earned), (u64::MAX, u64::MAX));
    assert_eq!((provider.jobs_rejected, provider.rejected), (u32::MAX, u64::MAX));
}

#[test]
fn a_rejection_that_burns_nothing_is_not_counted() {
    let mut provider = provider(MIN_STAKE);
    provider.count_rejected(0);
    assert_eq!(provider.jobs_rejected, 0);
    provider.count_rejected(5);
    assert_eq!((provider.jobs_rejected, provider.rejected), (1, 5));
}

#[test]
fn every_binding_has_its_own_number() {
    let mut provider = provider(MIN_STAKE);
    assert_eq!((provider.bindings, provider.next_binding().unwrap()), (0, 1));
    assert_eq!(provider.rotate_peer([2; 32]).unwrap(), [1; 32]);
    assert_eq!((provider.bindings, provider.peer), (1, [2; 32]));
    provider.bindings = u32::MAX;
    refused(provider.rotate_peer([3; 32]), EscrowError::MathOverflow);
}
