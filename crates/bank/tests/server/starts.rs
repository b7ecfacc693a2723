//! Servers that do not start.

use std::path::Path;

use bank::{FirstAccounts, NewAccount, Server, Settings};
use proto::net::web::PageAddress;

use crate::support::{settings, start};

#[tokio::test]
async fn example_accounts_are_not_for_others() {
    let place = tempfile::tempdir().unwrap();
    let strong = |data: &Path| Settings {
        data: data.to_owned(),
        ..Settings::default()
    };
    let refused = Server::bind("0.0.0.0:0", strong(&place.path().join("new")))
        .await
        .err();
    assert!(
        matches!(
            refused,
            Some(bank::StartError::Setup(bank::SetupError::ExamplesExposed))
        ),
        "{refused:?}"
    );

    let made = place.path().join("made");
    start(strong(&made)).await.stop().await;
    let refused = Server::bind("0.0.0.0:0", strong(&made)).await.err();
    assert!(
        matches!(refused, Some(bank::StartError::ExamplesExposed { .. })),
        "{refused:?}"
    );
    let refused = Server::bind("0.0.0.0:0", settings(&made)).await.err();
    assert!(
        matches!(refused, Some(bank::StartError::CheapPinsExposed { .. })),
        "{refused:?}"
    );

    let shown = PageAddress {
        url: Some("https://bank.example.org".parse().unwrap()),
        ..PageAddress::from("127.0.0.1:0")
    };
    let refused = Server::bind_with_page("127.0.0.1:0", shown, strong(&made))
        .await
        .err();
    assert!(
        matches!(&refused, Some(bank::StartError::ExamplesExposed { address }) if address == "https://bank.example.org"),
        "{refused:?}"
    );

    let ana = NewAccount {
        account: "1111111111".parse().unwrap(),
        holder: "Ana".to_owned(),
        balance: None,
        pin: "4711".parse().unwrap(),
    };
    let own = Settings {
        first_accounts: FirstAccounts::These(vec![ana]),
        ..strong(&place.path().join("own"))
    };
    assert!(Server::bind("0.0.0.0:0", own).await.is_ok());
}

#[tokio::test]
async fn two_servers_do_not_share_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let second = Server::bind("127.0.0.1:0", settings(place.path())).await.err();
    assert!(
        matches!(
            second,
            Some(bank::StartError::Setup(bank::SetupError::Store(
                bank::StoreError::InUse(_)
            )))
        ),
        "{second:?}"
    );
    running.stop().await;
}
