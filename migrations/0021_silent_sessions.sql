-- A session that nothing was heard of for long is silent, not closed: what an element reports late is still charged.
alter table charging.session drop constraint session_state_check;
alter table charging.session
    add constraint session_state_check check (state in ('open', 'silent', 'closed'));

-- No statement looks for the sessions of an account.
drop index charging.session_account;
