-- Prepaid credits: what they cost, what they changed on a charge, and movements that no charge
-- causes (expiry, roll-over, credits taken back). Written by flow/rate through ledger/credit_store.

alter table credit_movement drop constraint credit_movement_kind_check;
alter table credit_movement add constraint credit_movement_kind_check check (kind in (
    'grant', 'top_up', 'drawdown', 'return', 'expiry', 'roll_over', 'refund', 'void', 'overdraft'));

alter table credit_movement
    add column cost  numeric,               -- what the credits had cost; same sign as amount
    add column value numeric,               -- what they add to the charge; 0 without a charge
    add column cause text not null default '';

alter table credit_movement disable trigger credit_movement_is_fact;
-- Until now credits cost what they pay, and only charges moved them.
update credit_movement set cost = amount, value = amount;
alter table credit_movement enable trigger credit_movement_is_fact;

alter table credit_movement alter column cost set not null;
alter table credit_movement alter column value set not null;

-- Grants, expiries and refunds that people ordered beside the contract.
create table credit_command (
    command_id   text primary key,
    contract_id  text not null,
    kind         text not null check (kind in ('grant', 'expire', 'refund')),
    grant_id     text not null,
    effective_at timestamptz not null,
    body         jsonb not null,            -- the whole command, with the grant that is given
    decided_at   timestamptz not null
);
create index credit_command_by_contract on credit_command (contract_id, decided_at);

create trigger credit_command_is_fact before update or delete on credit_command
    for each row execute function refuse_change();
