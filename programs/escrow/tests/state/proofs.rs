use super::*;

/// One answer of one token, in both accounts that can keep it.
fn both(terms: &Terms, head: &Head) -> [Box<dyn Delivered>; 2] {
    let mut job = job();
    job.terms = terms.clone();
    job.submit(head, &ack(1, 0), NOW).unwrap();
    let evidence = Evidence::new(STRANGER, CLIENT, terms.clone(), head, 255);
    [Box::new(job), Box::new(evidence)]
}

fn step(token: u32, list: Option<Vec<Candidate>>) -> Step {
    let candidates = list.map(|list| Candidates { salt: [1; 16], list });
    Step { token, prefix: [2; 32], candidates, exact: [3; 32], zk: None }
}

/// The head of an answer that is `step` alone.
fn head_of(step: &Step) -> Head {
    Head { root: step.leaf(&JOB_ID, 0).unwrap(), ..head(1, 0) }
}

fn terms(mode: u8, plain: bool) -> Terms {
    Terms::of(&Offer { mode, plain, ..offer() }, JOB_ID)
}

const CANDIDATES: [Candidate; 2] = [Candidate { id: 5, q: 9_000 }, Candidate { id: 6, q: -9_000 }];

#[test]
fn an_honest_step_answers_and_proves_no_fault() {
    let honest = step(5, Some(CANDIDATES.to_vec()));
    for answer in both(&terms(MODE_MERKLE, true), &head_of(&honest)) {
        answer.require_answer(0, &honest, &[]).unwrap();
        refused(answer.require_false_draw(0, &honest, &[]), EscrowError::TokenFollows);
        refused(answer.require_answer(0, &step(6, Some(CANDIDATES.to_vec())), &[]), EscrowError::RootMismatch);
        refused(answer.require_answer(1, &honest, &[]), EscrowError::RootMismatch);
        refused(answer.require_answer(0, &honest, &[[0; 32]; 17]), EscrowError::PathTooLong);
    }
}

#[test]
fn a_false_draw_is_a_fault_and_no_answer() {
    let false_draw = step(6, Some(CANDIDATES.to_vec()));
    for answer in both(&terms(MODE_MERKLE, true), &head_of(&false_draw)) {
        answer.require_false_draw(0, &false_draw, &[]).unwrap();
        refused(answer.require_answer(0, &false_draw, &[]), EscrowError::TokenMismatch);
    }
}

#[test]
fn draws_are_judged_in_modes_1_and_2_without_extra_alone() {
    let false_draw = step(6, Some(CANDIDATES.to_vec()));
    for (mode, plain, judged) in
        [(0, true, false), (1, true, true), (2, true, true), (4, true, false), (1, false, false), (2, false, false)]
    {
        for answer in both(&terms(mode, plain), &head_of(&false_draw)) {
            assert_eq!(answer.require_false_draw(0, &false_draw, &[]).is_ok(), judged, "mode {mode}, {plain}");
            assert_eq!(answer.require_answer(0, &false_draw, &[]).is_err(), judged, "mode {mode}, {plain}");
        }
    }
}

#[test]
fn candidates_are_shown_except_in_mode_zk() {
    let (shown, hidden) = (step(5, Some(CANDIDATES.to_vec())), step(5, None));
    for mode in [1, 2, MODE_SCORE] {
        for answer in both(&terms(mode, false), &head_of(&hidden)) {
            refused(answer.require_answer(0, &hidden, &[]), EscrowError::CandidatesMissing);
        }
    }
    for answer in both(&terms(MODE_MERKLE, true), &head_of(&hidden)) {
        refused(answer.require_false_draw(0, &hidden, &[]), EscrowError::CandidatesMissing);
    }
    let [job, evidence] = both(&terms(MODE_ZK, true), &head_of(&hidden));
    job.require_answer(0, &hidden, &[]).unwrap();
    evidence.require_answer(0, &hidden, &[]).unwrap();
    for answer in both(&terms(MODE_ZK, true), &head_of(&shown)) {
        refused(answer.require_answer(0, &shown, &[]), EscrowError::CandidatesMissing);
        refused(answer.require_false_draw(0, &shown, &[]), EscrowError::DrawsNotJudgeable);
    }
}

/// A continued answer draws on where the earlier job ended.
#[test]
fn draws_begin_at_start() {
    let even = [Candidate { id: 5, q: 0 }, Candidate { id: 6, q: 0 }];
    let mut tokens = std::collections::BTreeSet::new();
    for start in 0..16 {
        let terms = Terms { start, ..terms(MODE_MERKLE, true) };
        let token = terms.sampler().pick(&terms.seed, start, &even).unwrap();
        let honest = step(token, Some(even.to_vec()));
        let [job, _] = both(&terms, &head_of(&honest));
        job.require_answer(0, &honest, &[]).unwrap();
        tokens.insert(token);
    }
    assert_eq!(tokens.len(), 2, "the draws differ");
}

#[test]
fn what_can_be_challenged() {
    let honest = step(5, Some(CANDIDATES.to_vec()));
    for answer in both(&terms(MODE_NONE, true), &head_of(&honest)) {
        refused(answer.require_challengeable(), EscrowError::NotChallengeable);
    }
    for mode in [1, 2, MODE_ZK] {
        for answer in both(&terms(mode, true), &head(MAX_TOKENS, 0)) {
            answer.require_challengeable().unwrap();
        }
    }
    for (count, fits) in [(1 << MAX_SCORE_PATH, true), ((1 << MAX_SCORE_PATH) + 1, false)] {
        for answer in both(&terms(MODE_SCORE, true), &head(count, 4)) {
            assert_eq!(answer.require_challengeable().is_ok(), fits, "{count} scored tokens");
        }
    }
    let mut job = submitted(&head(64, 1), &ack(64, 0));
    job.challenge(Challenge::make(&[0], 64, CLIENT, NOW).unwrap()).unwrap();
    job.delivery.challenge.close(0).unwrap();
    refused(job.require_challengeable(), EscrowError::AlreadyChallenged);
}

#[test]
fn the_delivery_counts_as_a_signed_head() {
    for answer in both(&terms(MODE_MERKLE, true), &head(38, 0)) {
        let with = |head: Head| answer.require_equivocation(&head, None);
        refused(with(head(38, 0)), EscrowError::HeadsAgree);
        refused(with(head(38, 255)), EscrowError::HeadsAgree);
        refused(with(Head { text_digest: [0; 32], ..head(32, 255) }), EscrowError::HeadsAgree);
        with(head(37, 0)).unwrap();
        with(head(38, 3)).unwrap();
        with(head(39, 255)).unwrap();
        with(Head { root: [0; 32], ..head(38, 255) }).unwrap();
        with(Head { text_digest: [0; 32], ..head(38, 0) }).unwrap();
        with(Head { prompt_count: 22, ..head(32, 255) }).unwrap();
        // What is not kept cannot contradict, except between two heads.
        let other_class = Head { exec_class: [0; 32], ..head(38, 0) };
        refused(with(other_class), EscrowError::HeadsAgree);
        answer.require_equivocation(&other_class, Some(&head(38, 0))).unwrap();
        let foreign = Head { job_id: [1; 32], ..head(37, 0) };
        refused(with(foreign), EscrowError::HeadMismatch);
        refused(answer.require_equivocation(&head(38, 0), Some(&foreign)), EscrowError::HeadMismatch);
    }
}

/// An evidence may hold a head that more tokens follow.
#[test]
fn an_evidence_of_an_early_head() {
    let evidence = Evidence::new(STRANGER, CLIENT, terms(MODE_MERKLE, true), &head(32, 255), 255);
    refused(evidence.require_equivocation(&head(38, 0), None), EscrowError::HeadsAgree);
    evidence.require_equivocation(&head(31, 0), None).unwrap();
    evidence.require_equivocation(&Head { root: [0; 32], ..head(32, 255) }, None).unwrap();
}
