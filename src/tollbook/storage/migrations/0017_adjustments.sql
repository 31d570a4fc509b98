-- Discounts, maximums and minimums are charges; this names the contract's rule they come from.
alter table charge add column rule_id text not null default '';
