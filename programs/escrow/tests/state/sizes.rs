use super::*;

#[test]
fn are_those_of_the_encoding() {
    let size = |bytes: Vec<u8>| bytes.len();
    assert_eq!(Provider::SPACE, 8 + Provider::INIT_SPACE);
    assert_eq!(Job::SPACE, 8 + Job::INIT_SPACE);
    assert_eq!(Channel::SPACE, 8 + Channel::INIT_SPACE);
    assert_eq!(Evidence::SPACE, 8 + Evidence::INIT_SPACE);
    assert_eq!(Terms::SPACE, Terms::INIT_SPACE);
    assert_eq!(Delivery::SPACE, Delivery::INIT_SPACE);
    assert_eq!(Challenge::SPACE, Challenge::INIT_SPACE);
    assert_eq!(8 + size(provider(MIN_STAKE).try_to_vec().unwrap()), Provider::SPACE);
    assert_eq!(8 + size(job().try_to_vec().unwrap()), Job::SPACE);
    assert_eq!(8 + size(channel(10).try_to_vec().unwrap()), Channel::SPACE);
    let evidence = Evidence::new(STRANGER, CLIENT, Terms::of(&offer(), JOB_ID), &head(1, 0), 255);
    assert_eq!(8 + size(evidence.try_to_vec().unwrap()), Evidence::SPACE);
}
