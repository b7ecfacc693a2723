//! Who may go by which name, and what proves it.

use super::stage::check;

#[test]
fn names_and_texts_are_checked() {
    check(
        "
        > 1 join name=''
        1 <- invalid_name
        > 1 join name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        1 <- invalid_name
        > 1 join name=servidor
        1 <- invalid_name
        > 1 join name=Ana room='<b>'
        1 <- invalid_room
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=ANA
        2 <- name_taken
        > 2 join name='Αna'
        2 <- name_taken
        > 2 join name=Ａｎａ
        2 <- name_taken
        > 1 say text=''
        1 <- invalid_text
        > 1 say text='' room='<b>'
        1 <- invalid_room
        > 1 say text='' room=tea
        1 <- invalid_text
        > 1 tell to=Ana text=''
        1 <- invalid_text
        > 1 register password=short
        1 <- invalid_password
        > 1 say text=hi
        lobby #2 Ana: hi ->
        1 <- said: lobby #2
        ",
    );
}

#[test]
fn a_rename_is_told_in_every_room() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 enter room=tea
        tea #1 Ana entered ->
        1 <- entered: tea #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > 1 rename name=bia
        1 <- name_taken
        > 1 rename name=' '
        1 <- invalid_name
        > 1 rename name=Carla
        lobby #3 Ana is now Carla -> 2
        tea #2 Ana is now Carla ->
        1 <- renamed to Carla: lobby #3 tea #2
        > 1 rename name=CARLA
        lobby #4 Carla is now CARLA -> 2
        tea #3 Carla is now CARLA ->
        1 <- renamed to CARLA: lobby #4 tea #3
        > 1 rename name=CARLA
        1 <- renamed to CARLA:
        > 3 join name=Ana
        lobby #5 Ana entered -> 1 2
        3 <- joined as Ana: lobby #5, 3 there
        ",
    );
}

#[test]
fn a_password_protects_a_name() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 register password=sesame-1
        store hash(sesame-1) for Ana
        1 <- registered Ana
        > 1 leave
        lobby #2 Ana left (quit) ->
        1 <- left: lobby #2
        close 1
        > 2 join name=АNA
        2 <- name_protected
        > 2 join name=ana password=guess
        check that guess hashes to hash(sesame-1)
        > 2 wrong
        2 <- wrong_password
        > 2 join name=ana password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 2 busy
        2 <- busy
        > 2 join name=Bia
        lobby #3 Bia entered ->
        2 <- joined as Bia: lobby #3, 1 there
        > 2 rename name=Ana
        2 <- name_protected
        > 2 rename name=ana password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 2 right
        lobby #4 Bia is now ana ->
        2 <- renamed to ana: lobby #4
        > 2 register password=sesame-2
        store hash(sesame-2) for Ana
        2 <- registered Ana
        > 3 join name=Ana password=sesame-2
        check that sesame-2 hashes to hash(sesame-2)
        > 3 right
        lobby #5 ana left (lost) ->
        close 2
        lobby #6 Ana entered ->
        3 <- joined as Ana: lobby #6, 1 there
        ",
    );
}

#[test]
fn a_password_does_not_throw_out_a_look_alike() {
    // ВОВА (Cyrillic capitals) looks like BOBA and is Вова in capitals; it cannot speak for the latter.
    check(
        "
        > 1 join name=Boba
        lobby #1 Boba entered ->
        1 <- joined as Boba: lobby #1, 1 there
        > 1 register password=sesame-1
        store hash(sesame-1) for Boba
        1 <- registered Boba
        > 1 leave
        lobby #2 Boba left (quit) ->
        1 <- left: lobby #2
        close 1
        > 2 join name=вова
        lobby #3 вова entered ->
        2 <- joined as вова: lobby #3, 1 there
        > 3 join name=ВОВА password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 3 right
        3 <- name_taken
        ",
    );
}

#[test]
fn a_token_takes_a_name_over() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > 3 join name=Ana token=00000000000000000000000000000002
        3 <- name_taken
        > 3 join name=Ana token=nonsense
        3 <- name_taken
        > 3 join name=Ana token=00000000000000000000000000000001 since=1
        lobby #3 Ana left (lost) -> 2
        close 1
        lobby #4 Ana entered -> 2
        3 <- joined as Ana: lobby #4, 2 there
        3 <- replay of lobby 1<..<=3
        > 1 say text='a line still on its way'
        > 1 lost
        ",
    );
}
