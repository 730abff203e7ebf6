use super::*;

#[test]
fn are_opened_for_exactly_what_the_offer_says() {
    let job = job();
    assert_eq!((job.amount, job.status, job.stake_at_risk), (1_068, JobStatus::Open, 0));
    assert_eq!((job.client, job.provider), (CLIENT, AUTHORITY));
    for (amount, error) in [
        (1_067, EscrowError::AmountMismatch),
        (1_069, EscrowError::AmountMismatch),
        (u64::MAX, EscrowError::AmountMismatch),
        (0, EscrowError::AmountZero),
    ] {
        refused(open(&Offer { amount, ..offer() }), error);
    }
    refused(open(&Offer { price_out: u64::MAX, ..offer() }), EscrowError::AmountMismatch);
    refused(open(&Offer { pay: 2, ..offer() }), EscrowError::OfferMismatch);
    refused(open(&Offer { pay: 0, ..offer() }), EscrowError::OfferMismatch);
    refused(open(&Offer { account: STRANGER.to_bytes(), ..offer() }), EscrowError::OfferMismatch);
    refused(open(&Offer { max_tokens: MAX_TOKENS + 1, ..offer() }), EscrowError::TooManyTokens);
}

#[test]
fn a_score_job_costs_the_price_of_prompts() {
    let score = Offer { mode: MODE_SCORE, amount: 777 + (87u64 * 1_500).div_ceil(1_000), ..offer() };
    open(&score).unwrap();
    refused(open(&Offer { mode: MODE_SCORE, ..offer() }), EscrowError::AmountMismatch);
}

#[test]
fn are_opened_before_the_offer_expires() {
    let at = |expires_at| open(&Offer { expires_at, ..offer() });
    at(NOW as u64 * 1_000 + 1).unwrap();
    refused(at(NOW as u64 * 1_000), EscrowError::OfferExpired);
    refused(at(0), EscrowError::OfferExpired);
    at(u64::MAX).unwrap();
}

#[test]
fn are_delivered_within_a_minute_to_a_day() {
    for (deliver_within, fits) in [(59, false), (60, true), (86_400, true), (86_401, false)] {
        assert_eq!(open(&Offer { deliver_within, ..offer() }).is_ok(), fits, "{deliver_within} s");
    }
}

#[test]
fn submit_and_anybodys_refund_are_never_both_possible() {
    let job = job();
    for now in [i64::MIN, NOW - 1, NOW, NOW + 599, NOW + 600, i64::MAX] {
        let submit = job.require_submittable(&head(64, 1), &ack(64, 0), now).is_ok();
        assert_ne!(submit, job.require_refundable(&STRANGER, now).is_ok(), "at {now}");
        job.require_refundable(&AUTHORITY, now).unwrap();
    }
    refused(job.require_refundable(&CLIENT, NOW + 599), EscrowError::DeliveryPending);
    refused(job.require_submittable(&head(64, 1), &ack(64, 0), NOW + 600), EscrowError::DeadlinePassed);
}

#[test]
fn reject_and_anybodys_confirm_are_never_both_possible() {
    let job = submitted(&head(64, 1), &ack(64, 0));
    for now in [i64::MIN, NOW, NOW + 299, NOW + 300, i64::MAX] {
        let reject = job.require_can_object(now).is_ok();
        assert_ne!(reject, job.require_confirmable(&STRANGER, now).is_ok(), "at {now}");
        job.require_confirmable(&CLIENT, now).unwrap();
    }
    refused(job.require_confirmable(&AUTHORITY, NOW + 299), EscrowError::CheckWindowOpen);
    refused(job.require_can_object(NOW + 300), EscrowError::CheckWindowClosed);
    refused(job.require_refundable(&AUTHORITY, i64::MAX), EscrowError::InvalidStatus);
    refused(job.require_submittable(&head(64, 1), &ack(64, 0), NOW), EscrowError::InvalidStatus);
}

#[test]
fn an_open_job_pays_and_burns_nothing() {
    refused(job().require_confirmable(&CLIENT, i64::MAX), EscrowError::InvalidStatus);
    refused(job().require_can_object(NOW), EscrowError::InvalidStatus);
}

#[test]
fn what_can_be_submitted() {
    let job = job();
    let check = |head: Head, ack: Ack| job.require_submittable(&head, &ack, NOW);
    check(head(0, 3), ack(0, 0)).unwrap();
    check(head(1, 0), ack(1, 0)).unwrap();
    check(head(64, 1), ack(40, 1)).unwrap();
    check(head(10, 2), ack(3, 1)).unwrap();
    check(head(10, 5), ack(0, 0)).unwrap();
    refused(check(head(65, 0), ack(1, 0)), EscrowError::TooManyTokens);
    refused(check(Head { prompt_count: 24, ..head(1, 0) }, ack(1, 0)), EscrowError::PromptTooLong);
    refused(check(Head { job_id: [1; 32], ..head(1, 0) }, ack(1, 0)), EscrowError::HeadMismatch);
    refused(check(head(10, 2), ack(10, 0)), EscrowError::InvalidFinish);
    refused(check(head(10, 255), ack(10, 0)), EscrowError::InvalidFinish);
    refused(check(head(10, 4), ack(10, 0)), EscrowError::InvalidFinish);
    refused(check(head(10, 0), ack(11, 0)), EscrowError::AckBeyondAnswer);
    refused(check(head(10, 0), Ack { job_id: [1; 32], ..ack(10, 0) }), EscrowError::AckMismatch);
    refused(check(head(10, 0), Ack { account: [1; 32], ..ack(10, 0) }), EscrowError::AckMismatch);
    let score = Job { terms: Terms { mode: MODE_SCORE, ..job.terms.clone() }, ..job.clone() };
    score.require_submittable(&head(64, 4), &ack(64, 0), NOW).unwrap();
    refused(score.require_submittable(&head(64, 1), &ack(64, 0), NOW), EscrowError::InvalidFinish);
}

#[test]
fn what_was_acknowledged_decides_what_is_paid() {
    for (tokens, acked, paid) in [(60, 0, 0), (60, 1, 33), (60, 10, 42), (60, 60, 60), (12, 10, 12)] {
        let job = submitted(&head(tokens, 3), &ack(acked, 0));
        let price = 777 + (23u64 * 1_500 + paid * 4_001).div_ceil(1_000);
        assert_eq!((u64::from(job.delivery.paid_count), job.payout()), (paid, price), "{acked} of {tokens}");
        assert_eq!(job.stake_at_risk, SLASH_MULTIPLE * price);
    }
}

#[test]
fn no_payout_is_above_the_amount() {
    let mut job = submitted(&head(64, 1), &ack(64, 0));
    assert_eq!(job.payout(), 1_068);
    job.terms.price_out = u64::MAX;
    assert_eq!(job.payout(), 1_068);
}

#[test]
fn a_client_checks_as_long_as_the_answer_took() {
    for (took, window) in [(-5, 300), (0, 300), (300, 300), (301, 301), (86_400, 86_400), (86_401, 86_400)] {
        let mut job = job();
        job.submit(&head(1, 0), &ack(1, 0), NOW + took).unwrap();
        assert_eq!(job.release_at, NOW + took + window, "took {took} s");
    }
}
