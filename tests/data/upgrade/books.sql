SELECT pg_catalog.set_config('search_path', '', false);
CREATE TYPE public.textrange AS RANGE (
    subtype = text,
    multirange_type_name = public.textmultirange,
    collation = pg_catalog."C"
);
CREATE FUNCTION public.exact_number(value jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    select case jsonb_typeof(value)
        when 'number' then value::numeric
        when 'string' then
            case when value #>> '{}' ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$'
                 then (value #>> '{}')::numeric end
    end
$_$;
CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is a record of fact: it is corrected by a new record, never changed',
        tg_table_name using errcode = 'restrict_violation';
end $$;
CREATE FUNCTION public.refuse_change_of_issued_invoice() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if old.state = 'issued' or (tg_op = 'DELETE' and old.state <> 'draft') then
        raise exception 'invoice % is %: what was issued is corrected with a credit memo, what '
            'was approved is reopened first', old.invoice_id, old.state
            using errcode = 'restrict_violation';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end $$;
CREATE FUNCTION public.refuse_change_of_issued_line() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if exists (select from invoice
               where invoice_id in (new.invoice_id, old.invoice_id) and state = 'issued') then
        raise exception 'the lines and taxes of an issued invoice are facts'
            using errcode = 'restrict_violation';
    end if;
    return coalesce(new, old);
end $$;
CREATE FUNCTION public.refuse_change_of_payload() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if old.payload is not null and new.payload is distinct from old.payload
       and old.sent_at is not null and new.sent_at is not null then
        raise exception 'posting % was sent: its payload is frozen', old.posting_id
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
CREATE FUNCTION public.require_balance() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if (select sum(amount_minor) from journal_line where entry_id = new.entry_id) <> 0 then
        raise exception 'journal entry % does not balance', new.entry_id
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
CREATE TABLE public.audit_record (
    sequence bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object_id text NOT NULL,
    before text,
    after text,
    reason text NOT NULL,
    previous_hash text NOT NULL,
    hash text NOT NULL
);
CREATE TABLE public.charge (
    charge_id text NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    entity_id text NOT NULL,
    customer_id text NOT NULL,
    contract_id text NOT NULL,
    contract_version integer NOT NULL,
    product_id text NOT NULL,
    price_version_id text NOT NULL,
    usage_id text,
    meter_version integer NOT NULL,
    service_month text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    quantity numeric NOT NULL,
    rounding text NOT NULL,
    parts jsonb NOT NULL,
    price jsonb NOT NULL,
    corrects text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.charge_billed (
    charge_id text NOT NULL,
    invoice_id text NOT NULL,
    billed_at timestamp with time zone NOT NULL
);
ALTER TABLE public.charge ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.charge_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.charge_superseded (
    charge_id text NOT NULL,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.credit_movement (
    movement_id text NOT NULL,
    grant_id text NOT NULL,
    contract_id text NOT NULL,
    customer_id text NOT NULL,
    currency text NOT NULL,
    kind text NOT NULL,
    amount numeric NOT NULL,
    charge_id text,
    moved_on date NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT credit_movement_kind_check CHECK ((kind = ANY (ARRAY['grant'::text, 'drawdown'::text, 'expiry'::text, 'return'::text])))
);
CREATE TABLE public.dirty_day (
    day date NOT NULL,
    type text NOT NULL,
    receipt bigint NOT NULL
);
CREATE TABLE public.event_conflict (
    conflict_id text NOT NULL,
    h uuid NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    subject text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    found_at timestamp with time zone NOT NULL,
    raw bytea NOT NULL
);
CREATE TABLE public.event_exclusion (
    h uuid NOT NULL,
    day date NOT NULL,
    reason text NOT NULL,
    known_receipt bigint NOT NULL,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.event_identity (
    h uuid NOT NULL,
    day date NOT NULL,
    receipt bigint NOT NULL,
    ordinal integer NOT NULL,
    f1 bigint NOT NULL,
    f2 bigint NOT NULL
);
CREATE TABLE public.intake_receipt (
    receipt bigint NOT NULL,
    door text NOT NULL,
    received_at timestamp with time zone NOT NULL
);
ALTER TABLE public.intake_receipt ALTER COLUMN receipt ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.intake_receipt_receipt_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.intake_tally (
    process text NOT NULL,
    answer text NOT NULL,
    count bigint NOT NULL
);
CREATE TABLE public.invoice (
    invoice_id text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    entity_id text NOT NULL,
    customer_id text NOT NULL,
    contract_id text NOT NULL,
    currency text NOT NULL,
    service_month text NOT NULL,
    number text,
    booked_on date,
    due_on date,
    corrects text,
    drafted_at timestamp with time zone NOT NULL,
    approved_at timestamp with time zone,
    approved_by text,
    issued_at timestamp with time zone,
    CONSTRAINT invoice_check CHECK (((state = 'issued'::text) = ((number IS NOT NULL) AND (booked_on IS NOT NULL)))),
    CONSTRAINT invoice_check1 CHECK (((state = 'draft'::text) OR (approved_by IS NOT NULL))),
    CONSTRAINT invoice_kind_check CHECK ((kind = ANY (ARRAY['invoice'::text, 'credit_memo'::text]))),
    CONSTRAINT invoice_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'approved'::text, 'issued'::text])))
);
CREATE TABLE public.invoice_line (
    invoice_id text NOT NULL,
    line_no integer NOT NULL,
    charge_id text NOT NULL,
    kind text NOT NULL,
    product_id text NOT NULL,
    description text NOT NULL,
    quantity numeric NOT NULL,
    amount_minor bigint NOT NULL,
    residue numeric NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    role text NOT NULL,
    tax_class text NOT NULL
);
CREATE TABLE public.invoice_series (
    entity_id text NOT NULL,
    series text NOT NULL,
    last_number bigint NOT NULL
);
CREATE TABLE public.invoice_tax (
    invoice_id text NOT NULL,
    line_no integer NOT NULL,
    jurisdiction text NOT NULL,
    tax_code text NOT NULL,
    rate numeric NOT NULL,
    base_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    tax_version integer NOT NULL
);
CREATE TABLE public.journal_document (
    document_id text NOT NULL,
    entity_id text NOT NULL,
    currency text NOT NULL,
    service_month text NOT NULL,
    booked_on date NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.journal_document_entry (
    entry_id text NOT NULL,
    document_id text NOT NULL
);
CREATE TABLE public.journal_entry (
    entry_id text NOT NULL,
    entity_id text NOT NULL,
    book text NOT NULL,
    currency text NOT NULL,
    booked_on date NOT NULL,
    service_month text NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    reverses text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.journal_line (
    entry_id text NOT NULL,
    line_no integer NOT NULL,
    role text NOT NULL,
    amount_minor bigint NOT NULL,
    customer_id text NOT NULL,
    memo text NOT NULL
);
CREATE TABLE public.lineage_edge (
    child_id text NOT NULL,
    parent_id text NOT NULL,
    stage text NOT NULL
);
CREATE TABLE public.master_version (
    kind text NOT NULL,
    key text NOT NULL,
    version integer NOT NULL,
    effective_from date NOT NULL,
    document jsonb NOT NULL,
    content_hash text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    decided_by text NOT NULL,
    CONSTRAINT master_version_version_check CHECK ((version > 0))
);
CREATE TABLE public.metered_usage (
    usage_id text NOT NULL,
    customer_id text NOT NULL,
    contract_id text NOT NULL,
    contract_version integer NOT NULL,
    product_id text NOT NULL,
    meter_id text NOT NULL,
    meter_version integer NOT NULL,
    where_equal jsonb NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    quantity numeric NOT NULL,
    event_count bigint NOT NULL,
    digest text NOT NULL,
    through_receipt bigint NOT NULL,
    replaces text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.posting (
    posting_id text NOT NULL,
    "position" bigint NOT NULL,
    document_id text NOT NULL,
    document_kind text NOT NULL,
    entity_id text NOT NULL,
    target text NOT NULL,
    key text NOT NULL,
    key16 text NOT NULL,
    after_document text,
    service_month text NOT NULL,
    state text NOT NULL,
    payload jsonb,
    payload_sha256 text,
    attempts integer DEFAULT 0 NOT NULL,
    available_at timestamp with time zone NOT NULL,
    lease_token bigint,
    lease_until timestamp with time zone,
    sent_at timestamp with time zone,
    frozen_until timestamp with time zone,
    code text,
    message text,
    receipt jsonb,
    receipt_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT posting_check CHECK (((lease_token IS NULL) = (lease_until IS NULL))),
    CONSTRAINT posting_check1 CHECK (((payload IS NULL) = (payload_sha256 IS NULL))),
    CONSTRAINT posting_document_kind_check CHECK ((document_kind = ANY (ARRAY['invoice'::text, 'credit_memo'::text, 'journal'::text]))),
    CONSTRAINT posting_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'leased'::text, 'sending'::text, 'posted'::text, 'differently'::text, 'pending_remote'::text, 'held'::text, 'failed'::text, 'doubtful'::text])))
);
CREATE TABLE public.posting_attempt (
    posting_id text NOT NULL,
    number integer NOT NULL,
    at timestamp with time zone NOT NULL,
    signal text NOT NULL,
    state text NOT NULL,
    code text,
    message text
);
CREATE SEQUENCE public.posting_lease_token
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE public.posting ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.posting_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.quarantine (
    quarantine_id text NOT NULL,
    door text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    cause text NOT NULL,
    source text,
    event_id text,
    raw bytea NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    corrected bytea,
    closed_at timestamp with time zone,
    closed_by text,
    reason text,
    CONSTRAINT quarantine_check CHECK (((state = 'open'::text) = (closed_at IS NULL))),
    CONSTRAINT quarantine_state_check CHECK ((state = ANY (ARRAY['open'::text, 'replayed'::text, 'discarded'::text])))
);
CREATE TABLE public.reconciliation (
    reconciliation_id text NOT NULL,
    month text NOT NULL,
    content_hash text NOT NULL,
    result jsonb NOT NULL,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.revenue_schedule (
    schedule_id text NOT NULL,
    invoice_id text NOT NULL,
    line_no integer NOT NULL,
    method text NOT NULL,
    entity_id text NOT NULL,
    currency text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    amount_minor bigint NOT NULL,
    from_role text NOT NULL,
    to_role text NOT NULL,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.revenue_schedule_line (
    schedule_id text NOT NULL,
    month text NOT NULL,
    amount_minor bigint NOT NULL,
    entry_id text
);
CREATE TABLE public.schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.subject_crosswalk (
    subject text NOT NULL,
    customer_id text NOT NULL,
    valid tstzrange NOT NULL
);
CREATE TABLE public.summarized_meters (
    event_type text NOT NULL,
    basis text NOT NULL
);
CREATE TABLE public.usage_event (
    h uuid NOT NULL,
    day date NOT NULL,
    f1 bigint NOT NULL,
    f2 bigint NOT NULL,
    receipt bigint NOT NULL,
    ordinal integer NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL
)
PARTITION BY RANGE (day);
CREATE TABLE public.usage_event_20231116 (
    h uuid CONSTRAINT usage_event_h_not_null NOT NULL,
    day date CONSTRAINT usage_event_day_not_null NOT NULL,
    f1 bigint CONSTRAINT usage_event_f1_not_null NOT NULL,
    f2 bigint CONSTRAINT usage_event_f2_not_null NOT NULL,
    receipt bigint CONSTRAINT usage_event_receipt_not_null NOT NULL,
    ordinal integer CONSTRAINT usage_event_ordinal_not_null NOT NULL,
    occurred_at timestamp with time zone CONSTRAINT usage_event_occurred_at_not_null NOT NULL,
    source text CONSTRAINT usage_event_source_not_null NOT NULL,
    event_id text CONSTRAINT usage_event_event_id_not_null NOT NULL,
    type text CONSTRAINT usage_event_type_not_null NOT NULL,
    subject text CONSTRAINT usage_event_subject_not_null NOT NULL,
    data jsonb CONSTRAINT usage_event_data_not_null NOT NULL
);
CREATE TABLE public.usage_hour (
    meter_id text NOT NULL,
    meter_version integer NOT NULL,
    customer_id text NOT NULL,
    dimensions jsonb NOT NULL,
    hour timestamp with time zone NOT NULL,
    event_type text NOT NULL,
    event_count bigint NOT NULL,
    quantity numeric NOT NULL,
    latest_at timestamp with time zone NOT NULL,
    latest_h uuid NOT NULL,
    digest_1 numeric NOT NULL,
    digest_2 numeric NOT NULL
);
CREATE TABLE public.usage_hour_member (
    meter_id text NOT NULL,
    meter_version integer NOT NULL,
    customer_id text NOT NULL,
    dimensions jsonb NOT NULL,
    hour timestamp with time zone NOT NULL,
    event_type text NOT NULL,
    member text NOT NULL
);
CREATE TABLE public.usage_summary (
    only_row boolean DEFAULT true NOT NULL,
    through_receipt bigint NOT NULL,
    CONSTRAINT usage_summary_only_row_check CHECK (only_row)
);
CREATE TABLE public.work_item (
    work_item_id text NOT NULL,
    code text NOT NULL,
    stage text NOT NULL,
    cause text NOT NULL,
    message text NOT NULL,
    owner text NOT NULL,
    blocks_close boolean NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolution text,
    CONSTRAINT work_item_check CHECK (((state = 'resolved'::text) = (resolution IS NOT NULL))),
    CONSTRAINT work_item_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text])))
);
CREATE TABLE public.work_item_object (
    work_item_id text NOT NULL,
    object_id text NOT NULL,
    added_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.usage_event ATTACH PARTITION public.usage_event_20231116 FOR VALUES FROM ('2023-11-16') TO ('2023-11-17');
INSERT INTO public.audit_record VALUES
	(1, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'entity/de@1', NULL, '{"entity_id":"de","name":"Example GmbH","currency":"EUR","country":"DE","target":"erp","invoice_prefix":"DE","payment_days":30,"approval":"manual","tax_rounding":"document"}', 'test', '0000000000000000000000000000000000000000000000000000000000000000', '6f23b2fd2d72074fd7c275ea1c03c59d0a6d8f07b5e7846f64e68e8f87f88e9d'),
	(2, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'entity/us@1', NULL, '{"entity_id":"us","name":"Example Inc","currency":"USD","country":"US","target":"erp","invoice_prefix":"US","payment_days":30,"approval":"manual","tax_rounding":"line"}', 'test', '6f23b2fd2d72074fd7c275ea1c03c59d0a6d8f07b5e7846f64e68e8f87f88e9d', '4b09e64e11d0d49dbc555d50c6ca9de026bb164c665c7862b3f6dd971fd367df'),
	(3, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'customer/acme@1', NULL, '{"customer_id":"acme","name":"Acme","jurisdiction":"US-WA","external_ids":{"erp":"C-1"},"subjects":[],"email":"","street":"","city":"","country":""}', 'test', '4b09e64e11d0d49dbc555d50c6ca9de026bb164c665c7862b3f6dd971fd367df', '83938f777431cb27a22b0a785781ec68ce85af3133e7d99c9ac81fdc8dc2ba29'),
	(4, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'customer/beta@1', NULL, '{"customer_id":"beta","name":"Beta","jurisdiction":"US-WA","external_ids":{"erp":"C-2"},"subjects":[],"email":"","street":"","city":"","country":""}', 'test', '83938f777431cb27a22b0a785781ec68ce85af3133e7d99c9ac81fdc8dc2ba29', 'eacbcb18669b2657f949acaa86b0ce5b488b05db726336811a3f1076e457c4ce'),
	(5, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'customer/coral@1', NULL, '{"customer_id":"coral","name":"Coral","jurisdiction":"US-WA","external_ids":{"erp":"C-3"},"subjects":[],"email":"","street":"","city":"","country":""}', 'test', 'eacbcb18669b2657f949acaa86b0ce5b488b05db726336811a3f1076e457c4ce', '53ed326c75994409dda46e62beb5596d95a64a93aa37345494d7a943e36c4d35'),
	(6, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'customer/delta@1', NULL, '{"customer_id":"delta","name":"Delta","jurisdiction":"DE","external_ids":{"erp":"C-4"},"subjects":[],"email":"","street":"","city":"","country":""}', 'test', '53ed326c75994409dda46e62beb5596d95a64a93aa37345494d7a943e36c4d35', 'fc3a2e6ed0e72e828d9d9367140a8648c9fb4162dfed2ad1c4ae70eda766ebb5'),
	(7, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'event_type/llm.request@1', NULL, '{"event_type":"llm.request","schema":{"type":"object"},"description":""}', 'test', 'fc3a2e6ed0e72e828d9d9367140a8648c9fb4162dfed2ad1c4ae70eda766ebb5', 'a0828464081030270ac495658ce39cb6e38dca58830f152ff99d655394fe244a'),
	(8, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'meter/tokens@1', NULL, '{"meter_id":"tokens","event_type":"llm.request","aggregation":"sum","unit":"token","value":"tokens","where":{},"dimensions":["model"],"version":1}', 'test', 'a0828464081030270ac495658ce39cb6e38dca58830f152ff99d655394fe244a', '26ed28d51e3468916137173b1232c1d3931a05fd892f0179c01669a7434f4696'),
	(9, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'product/credits@1', NULL, '{"product_id":"credits","name":"Credits","revenue":"on_drawdown","tax_class":"none","meter_id":null,"where":{},"unit":""}', 'test', '26ed28d51e3468916137173b1232c1d3931a05fd892f0179c01669a7434f4696', 'bd026718a234832828e1828287fd17c56c53ec0c2b7c7a24577cd680ff527ef7'),
	(10, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'product/large@1', NULL, '{"product_id":"large","name":"Large","revenue":"usage","tax_class":"standard","meter_id":"tokens","where":{"model":"large"},"unit":"token"}', 'test', 'bd026718a234832828e1828287fd17c56c53ec0c2b7c7a24577cd680ff527ef7', 'bb67c87083721a6cf2253eefe528d2c9e9d004036f805f78ba8c0409dd309e8b'),
	(11, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'product/small@1', NULL, '{"product_id":"small","name":"Small","revenue":"usage","tax_class":"standard","meter_id":"tokens","where":{"model":"small"},"unit":"token"}', 'test', 'bb67c87083721a6cf2253eefe528d2c9e9d004036f805f78ba8c0409dd309e8b', 'b3a6aa2594a23bc5ac57616bc9cf7cf4e1644acc6c73da642cd20c81ebe3cfda'),
	(12, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'product/support@1', NULL, '{"product_id":"support","name":"Support","revenue":"ratable","tax_class":"standard","meter_id":null,"where":{},"unit":""}', 'test', 'b3a6aa2594a23bc5ac57616bc9cf7cf4e1644acc6c73da642cd20c81ebe3cfda', 'c9b8a63789d98fed067ae0ea4b52e664f1ce0f44d27d3cfda5ac63032d512764'),
	(13, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'price_book/eur@1', NULL, '{"price_book_id":"eur","version":1,"currency":"EUR","effective_from":"2023-01-01","prices":[{"price_version_id":"eur/large@1","currency":"EUR","tiers":[{"up_to":"1000","unit_price":"0.01","flat_amount":"0"},{"up_to":null,"unit_price":"0.0075","flat_amount":"0"}],"model":"graduated","per":"1","flat_amount":"0","included":"0","minimum":null,"rounding":"half_even","product_id":"large"},{"price_version_id":"eur/small@1","currency":"EUR","tiers":[{"up_to":null,"unit_price":"0.00333","flat_amount":"0"}],"model":"unit","per":"1","flat_amount":"0","included":"0","minimum":null,"rounding":"half_even","product_id":"small"},{"price_version_id":"eur/support@1","currency":"EUR","tiers":[],"model":"flat","per":"1","flat_amount":"1200","included":"0","minimum":null,"rounding":"half_even","product_id":"support"}]}', 'test', 'c9b8a63789d98fed067ae0ea4b52e664f1ce0f44d27d3cfda5ac63032d512764', '194679f5af5a59e6fbb736ce534808ad504cd937db3abe573258c4ddec1c0a04'),
	(14, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'price_book/usd@1', NULL, '{"price_book_id":"usd","version":1,"currency":"USD","effective_from":"2023-01-01","prices":[{"price_version_id":"usd/large@1","currency":"USD","tiers":[{"up_to":"1000","unit_price":"0.01","flat_amount":"0"},{"up_to":null,"unit_price":"0.0075","flat_amount":"0"}],"model":"graduated","per":"1","flat_amount":"0","included":"0","minimum":null,"rounding":"half_even","product_id":"large"},{"price_version_id":"usd/small@1","currency":"USD","tiers":[{"up_to":null,"unit_price":"0.00333","flat_amount":"0"}],"model":"unit","per":"1","flat_amount":"0","included":"0","minimum":null,"rounding":"half_even","product_id":"small"},{"price_version_id":"usd/support@1","currency":"USD","tiers":[],"model":"flat","per":"1","flat_amount":"1200","included":"0","minimum":null,"rounding":"half_even","product_id":"support"}]}', 'test', '194679f5af5a59e6fbb736ce534808ad504cd937db3abe573258c4ddec1c0a04', '57ace2e24647abfa3c0199c19048a38a71c53fc3ec230147ad2c81ea555a5c62'),
	(15, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'contract/acme-1@1', NULL, '{"contract_id":"acme-1","version":1,"customer_id":"acme","entity_id":"us","currency":"USD","price_book_id":"usd","effective_from":"2023-11-01","items":[{"product_id":"large","price":null,"quantity":"1","interval_months":1},{"product_id":"small","price":null,"quantity":"1","interval_months":1},{"product_id":"support","price":null,"quantity":"1","interval_months":12}],"effective_until":null,"commitment":null,"credit_product_id":"","credits":[],"purchase_order":""}', 'test', '57ace2e24647abfa3c0199c19048a38a71c53fc3ec230147ad2c81ea555a5c62', 'eb16459dbc59f0801108618a456a4002b3c7135e6f4cccd08d12f9fe82a722e0'),
	(16, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'contract/beta-1@1', NULL, '{"contract_id":"beta-1","version":1,"customer_id":"beta","entity_id":"us","currency":"USD","price_book_id":"usd","effective_from":"2023-01-01","items":[{"product_id":"large","price":null,"quantity":"1","interval_months":1}],"effective_until":null,"commitment":{"monthly_amount":"100","overage_factor":"1"},"credit_product_id":"","credits":[],"purchase_order":""}', 'test', 'eb16459dbc59f0801108618a456a4002b3c7135e6f4cccd08d12f9fe82a722e0', '9a1eb959c5494f87111bcacc98c2c6e913a16a3cd711512fa0d864daa5e7c6f5'),
	(17, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'contract/coral-1@1', NULL, '{"contract_id":"coral-1","version":1,"customer_id":"coral","entity_id":"us","currency":"USD","price_book_id":"usd","effective_from":"2023-01-01","items":[{"product_id":"large","price":null,"quantity":"1","interval_months":1}],"effective_until":null,"commitment":null,"credit_product_id":"credits","credits":[{"grant_id":"coral-50","amount":"50","granted_on":"2023-11-01","expires_on":null}],"purchase_order":""}', 'test', '9a1eb959c5494f87111bcacc98c2c6e913a16a3cd711512fa0d864daa5e7c6f5', '6367305babecf9d0fa939c561020c1cdd57f8e739b2a44392a47c00d45e81d02'),
	(18, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'contract/delta-1@1', NULL, '{"contract_id":"delta-1","version":1,"customer_id":"delta","entity_id":"de","currency":"EUR","price_book_id":"eur","effective_from":"2023-01-01","items":[{"product_id":"large","price":null,"quantity":"1","interval_months":1},{"product_id":"small","price":null,"quantity":"1","interval_months":1}],"effective_until":null,"commitment":null,"credit_product_id":"","credits":[],"purchase_order":""}', 'test', '6367305babecf9d0fa939c561020c1cdd57f8e739b2a44392a47c00d45e81d02', 'f374782994d0d7a8ce80c481db2e152c8ec84914a8ec830663a02aa1d1ce1ffd'),
	(19, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'tax_table/de@1', NULL, '{"entity_id":"de","rates":[{"jurisdiction":"DE","tax_class":"standard","tax_code":"DE","rate":"0.19","effective_from":"2020-01-01","effective_until":null}],"version":1}', 'test', 'f374782994d0d7a8ce80c481db2e152c8ec84914a8ec830663a02aa1d1ce1ffd', 'cf0d2e163aabfec97ff214f68aa5fc17663cd9250561610525509f58433a2ee3'),
	(20, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'tax_table/us@1', NULL, '{"entity_id":"us","rates":[{"jurisdiction":"US-WA","tax_class":"standard","tax_code":"WA","rate":"0.1","effective_from":"2020-01-01","effective_until":null}],"version":1}', 'test', 'cf0d2e163aabfec97ff214f68aa5fc17663cd9250561610525509f58433a2ee3', '7ba10cd22dedcabdb3befeae7f08c29bfd7ef1a3d7074893512db67ee5e35dda'),
	(21, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'gl_map/de@1', NULL, '{"entity_id":"de","target":"erp","company":"DE","accounts":{"accounts_receivable":"1100","contract_liability":"2300","revenue":"4000","tax_payable":"2200","unbilled_receivable":"1150"},"tax_codes":{"DE":"19"},"tax_accounts":{},"settings":{}}', 'test', '7ba10cd22dedcabdb3befeae7f08c29bfd7ef1a3d7074893512db67ee5e35dda', '0ec9d4c8342824159fdb4d1b304954f400a08b7ce5b068fd884931efa240db21'),
	(22, '2023-12-01 09:00:00+00', 'ann', 'masterdata.create', 'gl_map/us@1', NULL, '{"entity_id":"us","target":"erp","company":"US","accounts":{"accounts_receivable":"1100","contract_liability":"2300","revenue":"4000","tax_payable":"2200","unbilled_receivable":"1150"},"tax_codes":{"WA":"12"},"tax_accounts":{},"settings":{}}', 'test', '0ec9d4c8342824159fdb4d1b304954f400a08b7ce5b068fd884931efa240db21', 'ace08b5f3daea5464bcfb43708994385889d26b264e3b215384511ce94ed9f55'),
	(23, '2023-12-01 09:00:00+00', 'controller', 'invoice.approve', 'inv_hhhiwp5u75fneg4zbzso3jjate', 'draft', 'approved', 'month run', 'ace08b5f3daea5464bcfb43708994385889d26b264e3b215384511ce94ed9f55', 'd1bad9733129fc8e21c5c6b59f0806ae3e45253df943f0b162b895378ee92e8b'),
	(24, '2023-12-01 09:00:00+00', 'controller', 'invoice.approve', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 'draft', 'approved', 'month run', 'd1bad9733129fc8e21c5c6b59f0806ae3e45253df943f0b162b895378ee92e8b', 'ab9881dc753c3189d3944cb827102f05cc8bb7b9bd5133994f37b319916c6615'),
	(25, '2023-12-01 09:00:00+00', 'controller', 'invoice.approve', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'draft', 'approved', 'month run', 'ab9881dc753c3189d3944cb827102f05cc8bb7b9bd5133994f37b319916c6615', 'b44886177bea204bf4f213ae384c8a3a14c5c9b06debd4b2b30b9c43a7e64bcf'),
	(26, '2023-12-01 09:00:00+00', 'controller', 'invoice.approve', 'inv_ynp7lagao5trxsl3qdarfsmye4', 'draft', 'approved', 'month run', 'b44886177bea204bf4f213ae384c8a3a14c5c9b06debd4b2b30b9c43a7e64bcf', 'e569730749dc8205b3d440f14a558cef8e19527fbc755dbd7ade50f650a9ad4b'),
	(27, '2023-12-01 09:00:00+00', 'system', 'invoice.issue', 'inv_hhhiwp5u75fneg4zbzso3jjate', 'approved', 'issued', 'Issued as DE-000001.', 'e569730749dc8205b3d440f14a558cef8e19527fbc755dbd7ade50f650a9ad4b', '386d1facc991584e0b445c8a06a3a0fbb620f5e967fe718aeddd92cdf2579f90'),
	(28, '2023-12-01 09:00:00+00', 'system', 'invoice.issue', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 'approved', 'issued', 'Issued as US-000001.', '386d1facc991584e0b445c8a06a3a0fbb620f5e967fe718aeddd92cdf2579f90', '7beeb0c21871144ddca9bac69ca5d15c998eb1d4c13a3702a958d314541db417'),
	(29, '2023-12-01 09:00:00+00', 'system', 'invoice.issue', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'approved', 'issued', 'Issued as US-000002.', '7beeb0c21871144ddca9bac69ca5d15c998eb1d4c13a3702a958d314541db417', '09539a610ed01f29494cf1af1888c825b5442c41c004d02691070d8ae6bb28dd'),
	(30, '2023-12-01 09:00:00+00', 'system', 'invoice.issue', 'inv_ynp7lagao5trxsl3qdarfsmye4', 'approved', 'issued', 'Issued as US-000003.', '09539a610ed01f29494cf1af1888c825b5442c41c004d02691070d8ae6bb28dd', '154ca8cc8dd88e37dbcc6a03f1fad895e727dc791e35f76b0c45d9d1f4e16b9f'),
	(31, '2023-12-01 11:00:00+00', 'controller', 'invoice.approve', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'draft', 'approved', 'month run', '154ca8cc8dd88e37dbcc6a03f1fad895e727dc791e35f76b0c45d9d1f4e16b9f', 'ef7b4b74f2bbc84d6f843833cad4134cb053e32789714fcdc64e4fc7ef7ee397'),
	(32, '2023-12-01 11:00:00+00', 'controller', 'invoice.approve', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'draft', 'approved', 'month run', 'ef7b4b74f2bbc84d6f843833cad4134cb053e32789714fcdc64e4fc7ef7ee397', '714dc95aa37c3b75a3cd9f058b6bb256690d765ce133b6c9c33211cbd4e7e2e4'),
	(33, '2023-12-01 11:00:00+00', 'system', 'invoice.issue', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'approved', 'issued', 'Issued as DE-000002.', '714dc95aa37c3b75a3cd9f058b6bb256690d765ce133b6c9c33211cbd4e7e2e4', '2f3d9ba7c1a4d1892499cc1efb0568df0c89567eadd4bd97076548be0f22055b'),
	(34, '2023-12-01 11:00:00+00', 'system', 'invoice.issue', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'approved', 'issued', 'Issued as US-000004.', '2f3d9ba7c1a4d1892499cc1efb0568df0c89567eadd4bd97076548be0f22055b', '6d7c528cbc4f359097b3d8e8e69adc9cd863303fc8c235c5f808f3c15363360f');
INSERT INTO public.charge OVERRIDING SYSTEM VALUE VALUES
	('chg_xr5lwafvogsi2ckn5idqyp2tsq', 1, 'fixed', 'us', 'acme', 'acme-1', 1, 'support', 'usd/support@1', NULL, 1, '2023-11', '2023-11-01 00:00:00+00', '2024-11-01 00:00:00+00', 'USD', 1200, 1, 'half_even', '[{"per": "1", "label": "fee", "amount": "1200", "quantity": "1", "unit_price": "1200"}]', '{"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "support", "flat_amount": "1200", "price_version_id": "usd/support@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_rnpvpenwazisbgorahntsoek5y', 2, 'usage', 'us', 'acme', 'acme-1', 1, 'large', 'usd/large@1', 'use_y36jnkt7khznaloa46hbb33ggq', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 13.7575, 1501, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "10.00", "quantity": "1000", "unit_price": "0.01"}, {"per": "1", "label": "above 1000", "amount": "3.7575", "quantity": "501", "unit_price": "0.0075"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "usd/large@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_gnrbrtwarjr77yebj26tn6uaxq', 3, 'usage', 'us', 'acme', 'acme-1', 1, 'small', 'usd/small@1', 'use_mppjpgejpgtm3ojgva7tuk2afq', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 3.33333, 1001, 'half_even', '[{"per": "1", "label": "units", "amount": "3.33333", "quantity": "1001", "unit_price": "0.00333"}]', '{"per": "1", "model": "unit", "tiers": [{"up_to": null, "unit_price": "0.00333", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "small", "flat_amount": "0", "price_version_id": "usd/small@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_5yvazvvtcm367m6tcw6wazlzw4', 4, 'commitment_shortfall', 'us', 'beta', 'beta-1', 1, 'large', 'beta-1@1', NULL, 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 82.50, 1, 'half_even', '[{"per": "1", "label": "commitment", "amount": "100", "quantity": "1", "unit_price": "100"}, {"per": "1", "label": "usage charged", "amount": "-17.50", "quantity": "17.50", "unit_price": "-1"}]', '{"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "100", "price_version_id": "beta-1@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_26l577d3mgyjinxossigqa4izi', 5, 'usage', 'us', 'beta', 'beta-1', 1, 'large', 'usd/large@1', 'use_hafc22mfo7qvz3kvknvuuppfxq', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 17.5000, 2000, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "10.00", "quantity": "1000", "unit_price": "0.01"}, {"per": "1", "label": "above 1000", "amount": "7.5000", "quantity": "1000", "unit_price": "0.0075"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "usd/large@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_t3glslzx6mjyjscoup3w7hwhja', 6, 'credit_applied', 'us', 'coral', 'coral-1', 1, 'credits', 'coral-1@1', NULL, 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', -13.00, 13.00, 'half_even', '[{"per": "1", "label": "prepaid credits coral-50", "amount": "-13.00", "quantity": "13.00", "unit_price": "-1"}]', '{"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "credits", "flat_amount": "0", "price_version_id": "coral-1@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_mgnxmypz6iqaynurvh4rul4nqe', 7, 'credit_purchase', 'us', 'coral', 'coral-1', 1, 'credits', 'coral-1@1', NULL, 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 50, 1, 'half_even', '[{"per": "1", "label": "prepaid credits coral-50", "amount": "50", "quantity": "1", "unit_price": "50"}]', '{"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "credits", "flat_amount": "50", "price_version_id": "coral-1@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_z7u2l5qss22pqs6tes4si4tgnq', 8, 'usage', 'us', 'coral', 'coral-1', 1, 'large', 'usd/large@1', 'use_daac726hduy6dadlewkro443ve', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 13.0000, 1400, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "10.00", "quantity": "1000", "unit_price": "0.01"}, {"per": "1", "label": "above 1000", "amount": "3.0000", "quantity": "400", "unit_price": "0.0075"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "usd/large@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_7ssdw6a2tvfmam4qgvepm7henq', 9, 'usage', 'de', 'delta', 'delta-1', 1, 'large', 'eur/large@1', 'use_56kxyguzu3ondo32euenr5d33i', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'EUR', 7.00, 700, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "7.00", "quantity": "700", "unit_price": "0.01"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "eur/large@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_rgsc2vz5de5tzplpvwysenyxgi', 10, 'usage', 'de', 'delta', 'delta-1', 1, 'small', 'eur/small@1', 'use_jvoepea3jarbv56wd7bcmj75zq', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'EUR', 0.16650, 50, 'half_even', '[{"per": "1", "label": "units", "amount": "0.16650", "quantity": "50", "unit_price": "0.00333"}]', '{"per": "1", "model": "unit", "tiers": [{"up_to": null, "unit_price": "0.00333", "flat_amount": "0"}], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "small", "flat_amount": "0", "price_version_id": "eur/small@1"}', NULL, '2023-12-01 09:00:00+00'),
	('chg_7nawntkg6nal252z5egtecyvui', 11, 'usage', 'us', 'acme', 'acme-1', 1, 'large', 'usd/large@1', 'use_fooksttk2lo73r4o2665fsqdia', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 0.0225, 3, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "10.00", "quantity": "1000", "unit_price": "0.01"}, {"per": "1", "label": "above 1000", "amount": "3.7800", "quantity": "504", "unit_price": "0.0075"}, {"per": "1", "label": "charged before", "amount": "-13.7575", "quantity": "-1", "unit_price": "13.7575"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "usd/large@1"}', 'chg_rnpvpenwazisbgorahntsoek5y', '2023-12-01 11:00:00+00'),
	('chg_tpm4jrjhu7oig3bh67xusdefa4', 12, 'usage', 'us', 'acme', 'acme-1', 1, 'small', 'usd/small@1', 'use_2ddo6vsbz7byeb7njp7pzmjzsq', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'USD', 0.03996, 12, 'half_even', '[{"per": "1", "label": "units", "amount": "3.37329", "quantity": "1013", "unit_price": "0.00333"}, {"per": "1", "label": "charged before", "amount": "-3.33333", "quantity": "-1", "unit_price": "3.33333"}]', '{"per": "1", "model": "unit", "tiers": [{"up_to": null, "unit_price": "0.00333", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "small", "flat_amount": "0", "price_version_id": "usd/small@1"}', 'chg_gnrbrtwarjr77yebj26tn6uaxq', '2023-12-01 11:00:00+00'),
	('chg_vwhhaqwpsaqvzxnh5au7bxyar4', 13, 'usage', 'de', 'delta', 'delta-1', 1, 'large', 'eur/large@1', 'use_q675bncivgi3mbo74eqpsuru4q', 1, '2023-11', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'EUR', 0.09, 9, 'half_even', '[{"per": "1", "label": "up to 1000", "amount": "7.09", "quantity": "709", "unit_price": "0.01"}, {"per": "1", "label": "charged before", "amount": "-7.00", "quantity": "-1", "unit_price": "7.00"}]', '{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "eur/large@1"}', 'chg_7ssdw6a2tvfmam4qgvepm7henq', '2023-12-01 11:00:00+00');
INSERT INTO public.charge_billed VALUES
	('chg_7ssdw6a2tvfmam4qgvepm7henq', 'inv_hhhiwp5u75fneg4zbzso3jjate', '2023-12-01 09:00:00+00'),
	('chg_rgsc2vz5de5tzplpvwysenyxgi', 'inv_hhhiwp5u75fneg4zbzso3jjate', '2023-12-01 09:00:00+00'),
	('chg_rnpvpenwazisbgorahntsoek5y', 'inv_inco3wqyjp7q2tmwto6n54qoxi', '2023-12-01 09:00:00+00'),
	('chg_gnrbrtwarjr77yebj26tn6uaxq', 'inv_inco3wqyjp7q2tmwto6n54qoxi', '2023-12-01 09:00:00+00'),
	('chg_xr5lwafvogsi2ckn5idqyp2tsq', 'inv_inco3wqyjp7q2tmwto6n54qoxi', '2023-12-01 09:00:00+00'),
	('chg_26l577d3mgyjinxossigqa4izi', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', '2023-12-01 09:00:00+00'),
	('chg_5yvazvvtcm367m6tcw6wazlzw4', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', '2023-12-01 09:00:00+00'),
	('chg_z7u2l5qss22pqs6tes4si4tgnq', 'inv_ynp7lagao5trxsl3qdarfsmye4', '2023-12-01 09:00:00+00'),
	('chg_mgnxmypz6iqaynurvh4rul4nqe', 'inv_ynp7lagao5trxsl3qdarfsmye4', '2023-12-01 09:00:00+00'),
	('chg_t3glslzx6mjyjscoup3w7hwhja', 'inv_ynp7lagao5trxsl3qdarfsmye4', '2023-12-01 09:00:00+00'),
	('chg_vwhhaqwpsaqvzxnh5au7bxyar4', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', '2023-12-01 11:00:00+00'),
	('chg_7nawntkg6nal252z5egtecyvui', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', '2023-12-01 11:00:00+00'),
	('chg_tpm4jrjhu7oig3bh67xusdefa4', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', '2023-12-01 11:00:00+00');
INSERT INTO public.credit_movement VALUES
	('mov_k5yuj2y3zoc7gcwrmstoxv7acy', 'coral-50', 'coral-1', 'coral', 'USD', 'drawdown', -13.00, 'chg_t3glslzx6mjyjscoup3w7hwhja', '2023-11-30', '2023-12-01 09:00:00+00'),
	('mov_5664vaj3pfermgulcbmimime4m', 'coral-50', 'coral-1', 'coral', 'USD', 'grant', 50, 'chg_mgnxmypz6iqaynurvh4rul4nqe', '2023-11-01', '2023-12-01 09:00:00+00');
INSERT INTO public.event_conflict VALUES
	('cnf_uya7bqjqyb7rqyxcz3w2ts664e', 'ab17cdcb-873a-76ba-62a7-e4c637573334', '/gateway', 'a1', 'acme', '2023-11-16 12:30:00+00', '2023-12-01 10:00:00+00', '\x7b227370656376657273696f6e223a2022312e30222c20226964223a20226131222c2022736f75726365223a20222f67617465776179222c202274797065223a20226c6c6d2e72657175657374222c20227375626a656374223a202261636d65222c202274696d65223a2022323032332d31312d31365431323a33303a30305a222c202264617461223a207b226d6f64656c223a20226c61726765222c2022746f6b656e73223a20377d7d');
INSERT INTO public.event_identity VALUES
	('ab17cdcb-873a-76ba-62a7-e4c637573334', '2023-11-16', 1, 0, 1756285142009821444, -5810781694379430351),
	('ad91578b-2555-579d-3827-678331174c51', '2023-11-16', 2, 0, 6659328275962756508, -3966546312888605257),
	('542f79c4-ee23-6a7c-3d12-2f0705698e78', '2023-11-16', 3, 0, 119237554180963115, 8999511837133516464),
	('79284d66-886c-cfef-99c6-97d6b10eee17', '2023-11-16', 4, 0, -7872386525462102974, -8084811240906665342),
	('4dd32c61-884c-8010-6c5c-296678962324', '2023-11-16', 5, 0, -4102900941098546520, 3432774653983888000),
	('bed0a07c-d297-268b-9bff-cc859583f62a', '2023-11-16', 6, 0, -68791190724408220, 7834428322294562170),
	('4783da20-af31-6892-3c24-55bdc30c8260', '2023-11-16', 7, 0, -3398775316562314197, -2024664334976539610),
	('261b744c-a1de-f0cc-4140-ac7802089d87', '2023-11-16', 8, 8, -3249198963534030260, 4907100108366099681),
	('28b6da4c-e004-6944-d642-76bf109a17da', '2023-11-16', 8, 7, 7091455213789140148, -2815316149537325560),
	('f3c497c7-96e0-f843-f3ba-d58fce8cb1e9', '2023-11-16', 8, 9, 8047864208728500475, 8504253487470295857);
INSERT INTO public.intake_receipt OVERRIDING SYSTEM VALUE VALUES
	(1, 'test', '2023-12-01 09:00:00+00'),
	(2, 'test', '2023-12-01 09:00:00+00'),
	(3, 'test', '2023-12-01 09:00:00+00'),
	(4, 'test', '2023-12-01 09:00:00+00'),
	(5, 'test', '2023-12-01 09:00:00+00'),
	(6, 'test', '2023-12-01 09:00:00+00'),
	(7, 'test', '2023-12-01 09:00:00+00'),
	(8, 'file', '2023-12-01 10:00:00+00'),
	(9, 'test', '2023-12-01 10:00:00+00');
INSERT INTO public.intake_tally VALUES
	('14876 since 2023-12-01T09:00:00Z', 'accepted', 7),
	('14876 since 2023-12-01T10:00:00Z', 'accepted', 3),
	('14876 since 2023-12-01T10:00:00Z', 'duplicate', 7),
	('14876 since 2023-12-01T10:00:00Z', 'rejected', 1),
	('14876 since 2023-12-01T10:00:00Z', 'conflict', 1);
INSERT INTO public.invoice VALUES
	('inv_hhhiwp5u75fneg4zbzso3jjate', 'invoice', 'issued', 'de', 'delta', 'delta-1', 'EUR', '2023-11', 'DE-000001', '2023-11-30', '2023-12-30', NULL, '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00', 'controller', '2023-12-01 09:00:00+00'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 'invoice', 'issued', 'us', 'acme', 'acme-1', 'USD', '2023-11', 'US-000001', '2023-11-30', '2023-12-30', NULL, '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00', 'controller', '2023-12-01 09:00:00+00'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'invoice', 'issued', 'us', 'beta', 'beta-1', 'USD', '2023-11', 'US-000002', '2023-11-30', '2023-12-30', NULL, '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00', 'controller', '2023-12-01 09:00:00+00'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 'invoice', 'issued', 'us', 'coral', 'coral-1', 'USD', '2023-11', 'US-000003', '2023-11-30', '2023-12-30', NULL, '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00', 'controller', '2023-12-01 09:00:00+00'),
	('inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'invoice', 'issued', 'de', 'delta', 'delta-1', 'EUR', '2023-11', 'DE-000002', '2023-11-30', '2023-12-30', 'inv_hhhiwp5u75fneg4zbzso3jjate', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00', 'controller', '2023-12-01 11:00:00+00'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'invoice', 'issued', 'us', 'acme', 'acme-1', 'USD', '2023-11', 'US-000004', '2023-11-30', '2023-12-30', 'inv_inco3wqyjp7q2tmwto6n54qoxi', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00', 'controller', '2023-12-01 11:00:00+00');
INSERT INTO public.invoice_line VALUES
	('inv_hhhiwp5u75fneg4zbzso3jjate', 1, 'chg_7ssdw6a2tvfmam4qgvepm7henq', 'usage', 'large', 'Large · 700 token · November 2023', 700, 700, 0.00, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_hhhiwp5u75fneg4zbzso3jjate', 2, 'chg_rgsc2vz5de5tzplpvwysenyxgi', 'usage', 'small', 'Small · 50 token · November 2023', 50, 17, -0.00350, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 1, 'chg_rnpvpenwazisbgorahntsoek5y', 'usage', 'large', 'Large · 1,501 token · November 2023', 1501, 1376, -0.0025, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 2, 'chg_gnrbrtwarjr77yebj26tn6uaxq', 'usage', 'small', 'Small · 1,001 token · November 2023', 1001, 333, 0.00333, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 3, 'chg_xr5lwafvogsi2ckn5idqyp2tsq', 'fixed', 'support', 'Support · 1 November 2023 to 31 October 2024', 1, 120000, 0.00, '2023-11-01 00:00:00+00', '2024-11-01 00:00:00+00', 'contract_liability', 'standard'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 1, 'chg_26l577d3mgyjinxossigqa4izi', 'usage', 'large', 'Large · 2,000 token · November 2023', 2000, 1750, 0.0000, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 2, 'chg_5yvazvvtcm367m6tcw6wazlzw4', 'commitment_shortfall', 'large', 'Commitment shortfall · November 2023', 1, 8250, 0.00, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 1, 'chg_z7u2l5qss22pqs6tes4si4tgnq', 'usage', 'large', 'Large · 1,400 token · November 2023', 1400, 1300, 0.0000, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 2, 'chg_mgnxmypz6iqaynurvh4rul4nqe', 'credit_purchase', 'credits', 'Prepaid credits · November 2023', 1, 5000, 0.00, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'contract_liability', 'none'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 3, 'chg_t3glslzx6mjyjscoup3w7hwhja', 'credit_applied', 'credits', 'Prepaid credits applied · November 2023', 13.00, -1300, 0.00, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'contract_liability', 'none'),
	('inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 1, 'chg_vwhhaqwpsaqvzxnh5au7bxyar4', 'usage', 'large', 'Correction: Large · 9 token · November 2023', 9, 9, 0.00, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 1, 'chg_7nawntkg6nal252z5egtecyvui', 'usage', 'large', 'Correction: Large · 3 token · November 2023', 3, 2, 0.0025, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 2, 'chg_tpm4jrjhu7oig3bh67xusdefa4', 'usage', 'small', 'Correction: Small · 12 token · November 2023', 12, 4, -0.00004, '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 'unbilled_receivable', 'standard');
INSERT INTO public.invoice_series VALUES
	('de', 'invoice', 2),
	('us', 'invoice', 4);
INSERT INTO public.invoice_tax VALUES
	('inv_hhhiwp5u75fneg4zbzso3jjate', 1, 'DE', 'DE', 0.19, 700, 133, 1),
	('inv_hhhiwp5u75fneg4zbzso3jjate', 2, 'DE', 'DE', 0.19, 17, 3, 1),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 1, 'US-WA', 'WA', 0.1, 1376, 138, 1),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 2, 'US-WA', 'WA', 0.1, 333, 33, 1),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 3, 'US-WA', 'WA', 0.1, 120000, 12000, 1),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 1, 'US-WA', 'WA', 0.1, 1750, 175, 1),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 2, 'US-WA', 'WA', 0.1, 8250, 825, 1),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 1, 'US-WA', 'WA', 0.1, 1300, 130, 1),
	('inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 1, 'DE', 'DE', 0.19, 9, 2, 1),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 1, 'US-WA', 'WA', 0.1, 2, 0, 1),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 2, 'US-WA', 'WA', 0.1, 4, 0, 1);
INSERT INTO public.journal_document VALUES
	('jdc_bufh77z2ly2zvot3ofywg6ce6i', 'de', 'EUR', '2023-11', '2023-11-30', '2023-12-01 09:00:00+00'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'us', 'USD', '2023-11', '2023-11-30', '2023-12-01 09:00:00+00'),
	('jdc_pb3yy2lsizd4uibnih746q3pim', 'de', 'EUR', '2023-11', '2023-11-30', '2023-12-01 11:00:00+00'),
	('jdc_sg7hhcylfagyfgctrh63tfq2xe', 'us', 'USD', '2023-11', '2023-11-30', '2023-12-01 11:00:00+00');
INSERT INTO public.journal_document_entry VALUES
	('jrn_6aa5g3ev2qxzwimnos6gbmeis4', 'jdc_bufh77z2ly2zvot3ofywg6ce6i'),
	('jrn_gz4gthm4zbogs4xyxqotfk3fii', 'jdc_bufh77z2ly2zvot3ofywg6ce6i'),
	('jrn_7zxtorj47nt4okeg65juvsncy4', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_edpgooo6sfbtnzbdx7tamen7xe', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_f4mf766tg73tvxsumfyeb663fa', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_qjwzj27qmhrdl54kq7agyhjpte', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_vft54wiohxipcgskm727ygvxaq', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_wj6r5zmm33fujozz3czqzbavb4', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m'),
	('jrn_bkgv3odj7gs6l7562sn45bfgeu', 'jdc_pb3yy2lsizd4uibnih746q3pim'),
	('jrn_shutsa46n4dvsrcqfgb5u3xyoy', 'jdc_sg7hhcylfagyfgctrh63tfq2xe'),
	('jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 'jdc_sg7hhcylfagyfgctrh63tfq2xe');
INSERT INTO public.journal_entry VALUES
	('jrn_emsz3l7itbpluggbb3gtzxmivm', 'de', 'primary', 'EUR', '2023-11-30', '2023-11', 'invoice', 'inv_hhhiwp5u75fneg4zbzso3jjate', NULL, '2023-12-01 09:00:00+00'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'invoice', 'inv_inco3wqyjp7q2tmwto6n54qoxi', NULL, '2023-12-01 09:00:00+00'),
	('jrn_uugfmowqgwmj24tsfucbaow3pq', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'invoice', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', NULL, '2023-12-01 09:00:00+00'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'invoice', 'inv_ynp7lagao5trxsl3qdarfsmye4', NULL, '2023-12-01 09:00:00+00'),
	('jrn_gz4gthm4zbogs4xyxqotfk3fii', 'de', 'primary', 'EUR', '2023-11-30', '2023-11', 'recognition', 'sch_ig23esxca6vqef4k6eyq46pv3i:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_6aa5g3ev2qxzwimnos6gbmeis4', 'de', 'primary', 'EUR', '2023-11-30', '2023-11', 'recognition', 'sch_4zgv5ajf2fr6dx3wsqriobwzza:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_wj6r5zmm33fujozz3czqzbavb4', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_e2rbjfjkgwyen44do22h6jhxre:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_f4mf766tg73tvxsumfyeb663fa', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_q46yuflx2xy4xjwdxxxdslcnvq:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_qjwzj27qmhrdl54kq7agyhjpte', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_swtyzjdpb4t24tmdpidiyfkvd4:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_edpgooo6sfbtnzbdx7tamen7xe', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_dwuit6mbhfzrshjtvku5jzf3ui:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_7zxtorj47nt4okeg65juvsncy4', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_ql2adtihnd63kfe52qvszyunha:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_vft54wiohxipcgskm727ygvxaq', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_eipqaxb3fgl6pzuaxhtyepexme:2023-11', NULL, '2023-12-01 09:00:00+00'),
	('jrn_nqwxgz46hysumcpypm4pck6nkq', 'de', 'primary', 'EUR', '2023-11-30', '2023-11', 'invoice', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', NULL, '2023-12-01 11:00:00+00'),
	('jrn_am7zc6ggmivbajkydxi3icygpi', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'invoice', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', NULL, '2023-12-01 11:00:00+00'),
	('jrn_bkgv3odj7gs6l7562sn45bfgeu', 'de', 'primary', 'EUR', '2023-11-30', '2023-11', 'recognition', 'sch_7wz5drhex3uke4csj4u3jskr34:2023-11', NULL, '2023-12-01 11:00:00+00'),
	('jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_3bbm5gn352g2ebwotjtd6yzxzu:2023-11', NULL, '2023-12-01 11:00:00+00'),
	('jrn_shutsa46n4dvsrcqfgb5u3xyoy', 'us', 'primary', 'USD', '2023-11-30', '2023-11', 'recognition', 'sch_dkl4nviph7u6qqdqz3qomzd5ce:2023-11', NULL, '2023-12-01 11:00:00+00');
INSERT INTO public.journal_line VALUES
	('jrn_emsz3l7itbpluggbb3gtzxmivm', 1, 'accounts_receivable', 853, 'delta', 'Invoice DE-000001'),
	('jrn_emsz3l7itbpluggbb3gtzxmivm', 2, 'tax_payable', -136, 'delta', 'Invoice DE-000001'),
	('jrn_emsz3l7itbpluggbb3gtzxmivm', 3, 'unbilled_receivable', -717, 'delta', 'Invoice DE-000001'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 1, 'accounts_receivable', 133880, 'acme', 'Invoice US-000001'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 2, 'contract_liability', -120000, 'acme', 'Invoice US-000001'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 3, 'tax_payable', -12171, 'acme', 'Invoice US-000001'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 4, 'unbilled_receivable', -1709, 'acme', 'Invoice US-000001'),
	('jrn_uugfmowqgwmj24tsfucbaow3pq', 1, 'accounts_receivable', 11000, 'beta', 'Invoice US-000002'),
	('jrn_uugfmowqgwmj24tsfucbaow3pq', 2, 'tax_payable', -1000, 'beta', 'Invoice US-000002'),
	('jrn_uugfmowqgwmj24tsfucbaow3pq', 3, 'unbilled_receivable', -10000, 'beta', 'Invoice US-000002'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 1, 'accounts_receivable', 5130, 'coral', 'Invoice US-000003'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 2, 'contract_liability', -3700, 'coral', 'Invoice US-000003'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 3, 'tax_payable', -130, 'coral', 'Invoice US-000003'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 4, 'unbilled_receivable', -1300, 'coral', 'Invoice US-000003'),
	('jrn_gz4gthm4zbogs4xyxqotfk3fii', 1, 'unbilled_receivable', 700, 'delta', 'Large · 2023-11 · DE-000001'),
	('jrn_gz4gthm4zbogs4xyxqotfk3fii', 2, 'revenue:large', -700, 'delta', 'Large · 2023-11 · DE-000001'),
	('jrn_6aa5g3ev2qxzwimnos6gbmeis4', 1, 'unbilled_receivable', 17, 'delta', 'Small · 2023-11 · DE-000001'),
	('jrn_6aa5g3ev2qxzwimnos6gbmeis4', 2, 'revenue:small', -17, 'delta', 'Small · 2023-11 · DE-000001'),
	('jrn_wj6r5zmm33fujozz3czqzbavb4', 1, 'unbilled_receivable', 1376, 'acme', 'Large · 2023-11 · US-000001'),
	('jrn_wj6r5zmm33fujozz3czqzbavb4', 2, 'revenue:large', -1376, 'acme', 'Large · 2023-11 · US-000001'),
	('jrn_f4mf766tg73tvxsumfyeb663fa', 1, 'unbilled_receivable', 333, 'acme', 'Small · 2023-11 · US-000001'),
	('jrn_f4mf766tg73tvxsumfyeb663fa', 2, 'revenue:small', -333, 'acme', 'Small · 2023-11 · US-000001'),
	('jrn_qjwzj27qmhrdl54kq7agyhjpte', 1, 'contract_liability', 9836, 'acme', 'Support · 2023-11 · US-000001'),
	('jrn_qjwzj27qmhrdl54kq7agyhjpte', 2, 'revenue:support', -9836, 'acme', 'Support · 2023-11 · US-000001'),
	('jrn_edpgooo6sfbtnzbdx7tamen7xe', 1, 'unbilled_receivable', 1750, 'beta', 'Large · 2023-11 · US-000002'),
	('jrn_edpgooo6sfbtnzbdx7tamen7xe', 2, 'revenue:large', -1750, 'beta', 'Large · 2023-11 · US-000002'),
	('jrn_7zxtorj47nt4okeg65juvsncy4', 1, 'unbilled_receivable', 8250, 'beta', 'Large · 2023-11 · US-000002'),
	('jrn_7zxtorj47nt4okeg65juvsncy4', 2, 'revenue:large', -8250, 'beta', 'Large · 2023-11 · US-000002'),
	('jrn_vft54wiohxipcgskm727ygvxaq', 1, 'unbilled_receivable', 1300, 'coral', 'Large · 2023-11 · US-000003'),
	('jrn_vft54wiohxipcgskm727ygvxaq', 2, 'revenue:large', -1300, 'coral', 'Large · 2023-11 · US-000003'),
	('jrn_nqwxgz46hysumcpypm4pck6nkq', 1, 'accounts_receivable', 11, 'delta', 'Invoice DE-000002'),
	('jrn_nqwxgz46hysumcpypm4pck6nkq', 2, 'tax_payable', -2, 'delta', 'Invoice DE-000002'),
	('jrn_nqwxgz46hysumcpypm4pck6nkq', 3, 'unbilled_receivable', -9, 'delta', 'Invoice DE-000002'),
	('jrn_am7zc6ggmivbajkydxi3icygpi', 1, 'accounts_receivable', 6, 'acme', 'Invoice US-000004'),
	('jrn_am7zc6ggmivbajkydxi3icygpi', 2, 'unbilled_receivable', -6, 'acme', 'Invoice US-000004'),
	('jrn_bkgv3odj7gs6l7562sn45bfgeu', 1, 'unbilled_receivable', 9, 'delta', 'Large · 2023-11 · DE-000002'),
	('jrn_bkgv3odj7gs6l7562sn45bfgeu', 2, 'revenue:large', -9, 'delta', 'Large · 2023-11 · DE-000002'),
	('jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 1, 'unbilled_receivable', 2, 'acme', 'Large · 2023-11 · US-000004'),
	('jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 2, 'revenue:large', -2, 'acme', 'Large · 2023-11 · US-000004'),
	('jrn_shutsa46n4dvsrcqfgb5u3xyoy', 1, 'unbilled_receivable', 4, 'acme', 'Small · 2023-11 · US-000004'),
	('jrn_shutsa46n4dvsrcqfgb5u3xyoy', 2, 'revenue:small', -4, 'acme', 'Small · 2023-11 · US-000004');
INSERT INTO public.lineage_edge VALUES
	('chg_rnpvpenwazisbgorahntsoek5y', 'use_y36jnkt7khznaloa46hbb33ggq', 'rate'),
	('chg_gnrbrtwarjr77yebj26tn6uaxq', 'use_mppjpgejpgtm3ojgva7tuk2afq', 'rate'),
	('chg_26l577d3mgyjinxossigqa4izi', 'use_hafc22mfo7qvz3kvknvuuppfxq', 'rate'),
	('chg_z7u2l5qss22pqs6tes4si4tgnq', 'use_daac726hduy6dadlewkro443ve', 'rate'),
	('chg_7ssdw6a2tvfmam4qgvepm7henq', 'use_56kxyguzu3ondo32euenr5d33i', 'rate'),
	('chg_rgsc2vz5de5tzplpvwysenyxgi', 'use_jvoepea3jarbv56wd7bcmj75zq', 'rate'),
	('inv_hhhiwp5u75fneg4zbzso3jjate#1', 'chg_7ssdw6a2tvfmam4qgvepm7henq', 'invoice'),
	('inv_hhhiwp5u75fneg4zbzso3jjate#2', 'chg_rgsc2vz5de5tzplpvwysenyxgi', 'invoice'),
	('inv_hhhiwp5u75fneg4zbzso3jjate', 'inv_hhhiwp5u75fneg4zbzso3jjate#1', 'invoice'),
	('inv_hhhiwp5u75fneg4zbzso3jjate', 'inv_hhhiwp5u75fneg4zbzso3jjate#2', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi#1', 'chg_rnpvpenwazisbgorahntsoek5y', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi#2', 'chg_gnrbrtwarjr77yebj26tn6uaxq', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi#3', 'chg_xr5lwafvogsi2ckn5idqyp2tsq', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 'inv_inco3wqyjp7q2tmwto6n54qoxi#1', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 'inv_inco3wqyjp7q2tmwto6n54qoxi#2', 'invoice'),
	('inv_inco3wqyjp7q2tmwto6n54qoxi', 'inv_inco3wqyjp7q2tmwto6n54qoxi#3', 'invoice'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq#1', 'chg_26l577d3mgyjinxossigqa4izi', 'invoice'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq#2', 'chg_5yvazvvtcm367m6tcw6wazlzw4', 'invoice'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq#1', 'invoice'),
	('inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq#2', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4#1', 'chg_z7u2l5qss22pqs6tes4si4tgnq', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4#2', 'chg_mgnxmypz6iqaynurvh4rul4nqe', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4#3', 'chg_t3glslzx6mjyjscoup3w7hwhja', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 'inv_ynp7lagao5trxsl3qdarfsmye4#1', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 'inv_ynp7lagao5trxsl3qdarfsmye4#2', 'invoice'),
	('inv_ynp7lagao5trxsl3qdarfsmye4', 'inv_ynp7lagao5trxsl3qdarfsmye4#3', 'invoice'),
	('jrn_emsz3l7itbpluggbb3gtzxmivm', 'inv_hhhiwp5u75fneg4zbzso3jjate', 'tax'),
	('jrn_r22zfzfrjhaetbtexfevkwktue', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 'tax'),
	('jrn_uugfmowqgwmj24tsfucbaow3pq', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'tax'),
	('jrn_2yqkxeswbpgdncz2u4jnksqm2y', 'inv_ynp7lagao5trxsl3qdarfsmye4', 'tax'),
	('pst_2qdwkka652kvpfp36tn26zac7a', 'inv_hhhiwp5u75fneg4zbzso3jjate', 'post'),
	('pst_om5bzhqahrgru2jpzh6zbxqigy', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 'post'),
	('pst_inrzkl2coazkxsx2atdhuh3y3i', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'post'),
	('pst_fvokzuv245dqdv775mii65c7zm', 'inv_ynp7lagao5trxsl3qdarfsmye4', 'post'),
	('sch_ig23esxca6vqef4k6eyq46pv3i', 'inv_hhhiwp5u75fneg4zbzso3jjate#1', 'recognize'),
	('sch_4zgv5ajf2fr6dx3wsqriobwzza', 'inv_hhhiwp5u75fneg4zbzso3jjate#2', 'recognize'),
	('sch_e2rbjfjkgwyen44do22h6jhxre', 'inv_inco3wqyjp7q2tmwto6n54qoxi#1', 'recognize'),
	('sch_q46yuflx2xy4xjwdxxxdslcnvq', 'inv_inco3wqyjp7q2tmwto6n54qoxi#2', 'recognize'),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', 'inv_inco3wqyjp7q2tmwto6n54qoxi#3', 'recognize'),
	('sch_dwuit6mbhfzrshjtvku5jzf3ui', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq#1', 'recognize'),
	('sch_ql2adtihnd63kfe52qvszyunha', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq#2', 'recognize'),
	('sch_eipqaxb3fgl6pzuaxhtyepexme', 'inv_ynp7lagao5trxsl3qdarfsmye4#1', 'recognize'),
	('sch_pfc3s7ojgwmp7473j4txqjjho4', 'inv_ynp7lagao5trxsl3qdarfsmye4#2', 'recognize'),
	('sch_ibfn2kgwq57s3bxeejcafzvt2q', 'inv_ynp7lagao5trxsl3qdarfsmye4#3', 'recognize'),
	('jrn_gz4gthm4zbogs4xyxqotfk3fii', 'sch_ig23esxca6vqef4k6eyq46pv3i', 'recognize'),
	('jrn_6aa5g3ev2qxzwimnos6gbmeis4', 'sch_4zgv5ajf2fr6dx3wsqriobwzza', 'recognize'),
	('jrn_wj6r5zmm33fujozz3czqzbavb4', 'sch_e2rbjfjkgwyen44do22h6jhxre', 'recognize'),
	('jrn_f4mf766tg73tvxsumfyeb663fa', 'sch_q46yuflx2xy4xjwdxxxdslcnvq', 'recognize'),
	('jrn_qjwzj27qmhrdl54kq7agyhjpte', 'sch_swtyzjdpb4t24tmdpidiyfkvd4', 'recognize'),
	('jrn_edpgooo6sfbtnzbdx7tamen7xe', 'sch_dwuit6mbhfzrshjtvku5jzf3ui', 'recognize');
INSERT INTO public.lineage_edge VALUES
	('jrn_7zxtorj47nt4okeg65juvsncy4', 'sch_ql2adtihnd63kfe52qvszyunha', 'recognize'),
	('jrn_vft54wiohxipcgskm727ygvxaq', 'sch_eipqaxb3fgl6pzuaxhtyepexme', 'recognize'),
	('jdc_bufh77z2ly2zvot3ofywg6ce6i', 'jrn_6aa5g3ev2qxzwimnos6gbmeis4', 'post'),
	('jdc_bufh77z2ly2zvot3ofywg6ce6i', 'jrn_gz4gthm4zbogs4xyxqotfk3fii', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_7zxtorj47nt4okeg65juvsncy4', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_edpgooo6sfbtnzbdx7tamen7xe', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_f4mf766tg73tvxsumfyeb663fa', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_qjwzj27qmhrdl54kq7agyhjpte', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_vft54wiohxipcgskm727ygvxaq', 'post'),
	('jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'jrn_wj6r5zmm33fujozz3czqzbavb4', 'post'),
	('pst_6ufmdrwftpxwhsb2fq63losa7q', 'jdc_bufh77z2ly2zvot3ofywg6ce6i', 'post'),
	('pst_nk5vcxhudoqwwdplnjchb53hi4', 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'post'),
	('chg_7nawntkg6nal252z5egtecyvui', 'use_fooksttk2lo73r4o2665fsqdia', 'rate'),
	('chg_7nawntkg6nal252z5egtecyvui', 'chg_rnpvpenwazisbgorahntsoek5y', 'rate'),
	('chg_tpm4jrjhu7oig3bh67xusdefa4', 'use_2ddo6vsbz7byeb7njp7pzmjzsq', 'rate'),
	('chg_tpm4jrjhu7oig3bh67xusdefa4', 'chg_gnrbrtwarjr77yebj26tn6uaxq', 'rate'),
	('chg_vwhhaqwpsaqvzxnh5au7bxyar4', 'use_q675bncivgi3mbo74eqpsuru4q', 'rate'),
	('chg_vwhhaqwpsaqvzxnh5au7bxyar4', 'chg_7ssdw6a2tvfmam4qgvepm7henq', 'rate'),
	('inv_2jrrhrnzxbgyxwrfjjkqn4fl4a#1', 'chg_vwhhaqwpsaqvzxnh5au7bxyar4', 'invoice'),
	('inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a#1', 'invoice'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q#1', 'chg_7nawntkg6nal252z5egtecyvui', 'invoice'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q#2', 'chg_tpm4jrjhu7oig3bh67xusdefa4', 'invoice'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q#1', 'invoice'),
	('inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q#2', 'invoice'),
	('jrn_nqwxgz46hysumcpypm4pck6nkq', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'tax'),
	('jrn_am7zc6ggmivbajkydxi3icygpi', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'tax'),
	('pst_fej4llq3zoltiulwrgq6slcrnm', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'post'),
	('pst_kbyoxikesrvqgikltcpiixlriu', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'post'),
	('sch_7wz5drhex3uke4csj4u3jskr34', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a#1', 'recognize'),
	('sch_3bbm5gn352g2ebwotjtd6yzxzu', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q#1', 'recognize'),
	('sch_dkl4nviph7u6qqdqz3qomzd5ce', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q#2', 'recognize'),
	('jrn_bkgv3odj7gs6l7562sn45bfgeu', 'sch_7wz5drhex3uke4csj4u3jskr34', 'recognize'),
	('jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 'sch_3bbm5gn352g2ebwotjtd6yzxzu', 'recognize'),
	('jrn_shutsa46n4dvsrcqfgb5u3xyoy', 'sch_dkl4nviph7u6qqdqz3qomzd5ce', 'recognize'),
	('jdc_pb3yy2lsizd4uibnih746q3pim', 'jrn_bkgv3odj7gs6l7562sn45bfgeu', 'post'),
	('jdc_sg7hhcylfagyfgctrh63tfq2xe', 'jrn_shutsa46n4dvsrcqfgb5u3xyoy', 'post'),
	('jdc_sg7hhcylfagyfgctrh63tfq2xe', 'jrn_zttrw2e7pshfgwb4gvyyn2p3ki', 'post'),
	('pst_qvmzcdbhsi7e5nvvdf3xbh4pde', 'jdc_pb3yy2lsizd4uibnih746q3pim', 'post'),
	('pst_z3ot27nzkyx36c7pjjfoqouw7q', 'jdc_sg7hhcylfagyfgctrh63tfq2xe', 'post');
INSERT INTO public.master_version VALUES
	('entity', 'de', 1, '2000-01-01', '{"name": "Example GmbH", "target": "erp", "country": "DE", "approval": "manual", "currency": "EUR", "entity_id": "de", "payment_days": 30, "tax_rounding": "document", "invoice_prefix": "DE"}', 'aa1e2943f936679fc902d622f129a48b924cac2308dfccb5343aad5ba102ed23', '2023-12-01 09:00:00+00', 'ann'),
	('entity', 'us', 1, '2000-01-01', '{"name": "Example Inc", "target": "erp", "country": "US", "approval": "manual", "currency": "USD", "entity_id": "us", "payment_days": 30, "tax_rounding": "line", "invoice_prefix": "US"}', 'b53e606e3981ec01d642a4254297f878032dadb22505e214c17eb62e01fadabc', '2023-12-01 09:00:00+00', 'ann'),
	('customer', 'acme', 1, '2000-01-01', '{"city": "", "name": "Acme", "email": "", "street": "", "country": "", "subjects": [], "customer_id": "acme", "external_ids": {"erp": "C-1"}, "jurisdiction": "US-WA"}', '5c66862b560ab04679693ef9ae04505233ad8880e4b5cc41cb1e3168d01c4d08', '2023-12-01 09:00:00+00', 'ann'),
	('customer', 'beta', 1, '2000-01-01', '{"city": "", "name": "Beta", "email": "", "street": "", "country": "", "subjects": [], "customer_id": "beta", "external_ids": {"erp": "C-2"}, "jurisdiction": "US-WA"}', '9be9736aa8b4c441567c7a038657e7dc1fb1a220e6725315770550cf7a6eaf06', '2023-12-01 09:00:00+00', 'ann'),
	('customer', 'coral', 1, '2000-01-01', '{"city": "", "name": "Coral", "email": "", "street": "", "country": "", "subjects": [], "customer_id": "coral", "external_ids": {"erp": "C-3"}, "jurisdiction": "US-WA"}', '9bdcb505f0e61bc813b104dfbacdaf5b373eb3ed404b1a0f57065c742ead8353', '2023-12-01 09:00:00+00', 'ann'),
	('customer', 'delta', 1, '2000-01-01', '{"city": "", "name": "Delta", "email": "", "street": "", "country": "", "subjects": [], "customer_id": "delta", "external_ids": {"erp": "C-4"}, "jurisdiction": "DE"}', 'b8751f47fcae6fa15a98e6ef521caa9b340b809dcce26b4654ab4af74ca4aebb', '2023-12-01 09:00:00+00', 'ann'),
	('event_type', 'llm.request', 1, '2000-01-01', '{"schema": {"type": "object"}, "event_type": "llm.request", "description": ""}', '6774e60ed9c20fe16cfca8e4ce4b9ae111bc59fc0623fad804309d5cce1e96e2', '2023-12-01 09:00:00+00', 'ann'),
	('meter', 'tokens', 1, '2000-01-01', '{"unit": "token", "value": "tokens", "where": {}, "version": 1, "meter_id": "tokens", "dimensions": ["model"], "event_type": "llm.request", "aggregation": "sum"}', 'c8a6f8012e20f9e91aac32cb4e21549c6691959267679e22ccc6d74098a9af95', '2023-12-01 09:00:00+00', 'ann'),
	('product', 'credits', 1, '2000-01-01', '{"name": "Credits", "unit": "", "where": {}, "revenue": "on_drawdown", "meter_id": null, "tax_class": "none", "product_id": "credits"}', 'b4366d1c101aad71a8af71bb04f35ac2f2f915489c83cb24708b63459e47a876', '2023-12-01 09:00:00+00', 'ann'),
	('product', 'large', 1, '2000-01-01', '{"name": "Large", "unit": "token", "where": {"model": "large"}, "revenue": "usage", "meter_id": "tokens", "tax_class": "standard", "product_id": "large"}', '9f642cc9e3ac53923eaa7837323384565d8995761687cb9e6430afdda23533e3', '2023-12-01 09:00:00+00', 'ann'),
	('product', 'small', 1, '2000-01-01', '{"name": "Small", "unit": "token", "where": {"model": "small"}, "revenue": "usage", "meter_id": "tokens", "tax_class": "standard", "product_id": "small"}', '64a1f5611c5ac93e476d741f1bebd17ff5495f88f631e4eca4885a807ed88e44', '2023-12-01 09:00:00+00', 'ann'),
	('product', 'support', 1, '2000-01-01', '{"name": "Support", "unit": "", "where": {}, "revenue": "ratable", "meter_id": null, "tax_class": "standard", "product_id": "support"}', '3135b391d3ded7f08ec1f504e8a17bd9dd7bb8338a5666d42b74e1b4da694c2a', '2023-12-01 09:00:00+00', 'ann'),
	('price_book', 'eur', 1, '2023-01-01', '{"prices": [{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "eur/large@1"}, {"per": "1", "model": "unit", "tiers": [{"up_to": null, "unit_price": "0.00333", "flat_amount": "0"}], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "small", "flat_amount": "0", "price_version_id": "eur/small@1"}, {"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "EUR", "included": "0", "rounding": "half_even", "product_id": "support", "flat_amount": "1200", "price_version_id": "eur/support@1"}], "version": 1, "currency": "EUR", "price_book_id": "eur", "effective_from": "2023-01-01"}', '8fac932ada005e9b7a9bc991eb7ad62745263fa62d4b228857f3527d86bfc378', '2023-12-01 09:00:00+00', 'ann'),
	('price_book', 'usd', 1, '2023-01-01', '{"prices": [{"per": "1", "model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "0.01", "flat_amount": "0"}, {"up_to": null, "unit_price": "0.0075", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "large", "flat_amount": "0", "price_version_id": "usd/large@1"}, {"per": "1", "model": "unit", "tiers": [{"up_to": null, "unit_price": "0.00333", "flat_amount": "0"}], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "small", "flat_amount": "0", "price_version_id": "usd/small@1"}, {"per": "1", "model": "flat", "tiers": [], "minimum": null, "currency": "USD", "included": "0", "rounding": "half_even", "product_id": "support", "flat_amount": "1200", "price_version_id": "usd/support@1"}], "version": 1, "currency": "USD", "price_book_id": "usd", "effective_from": "2023-01-01"}', '82e91f9a5ebfd595ded8a38501be66c81f0199864db793adfd45e2b3b3880646', '2023-12-01 09:00:00+00', 'ann'),
	('contract', 'acme-1', 1, '2023-11-01', '{"items": [{"price": null, "quantity": "1", "product_id": "large", "interval_months": 1}, {"price": null, "quantity": "1", "product_id": "small", "interval_months": 1}, {"price": null, "quantity": "1", "product_id": "support", "interval_months": 12}], "credits": [], "version": 1, "currency": "USD", "entity_id": "us", "commitment": null, "contract_id": "acme-1", "customer_id": "acme", "price_book_id": "usd", "effective_from": "2023-11-01", "purchase_order": "", "effective_until": null, "credit_product_id": ""}', 'ce78ac4925a167e1d4c0d7b117a773800d6992b187e642d1d9e6a789e016f74f', '2023-12-01 09:00:00+00', 'ann'),
	('contract', 'beta-1', 1, '2023-01-01', '{"items": [{"price": null, "quantity": "1", "product_id": "large", "interval_months": 1}], "credits": [], "version": 1, "currency": "USD", "entity_id": "us", "commitment": {"monthly_amount": "100", "overage_factor": "1"}, "contract_id": "beta-1", "customer_id": "beta", "price_book_id": "usd", "effective_from": "2023-01-01", "purchase_order": "", "effective_until": null, "credit_product_id": ""}', '78cff77caea87c547b0fdb0e3324673193a35f59318dd175365ee8fb71504760', '2023-12-01 09:00:00+00', 'ann'),
	('contract', 'coral-1', 1, '2023-01-01', '{"items": [{"price": null, "quantity": "1", "product_id": "large", "interval_months": 1}], "credits": [{"amount": "50", "grant_id": "coral-50", "expires_on": null, "granted_on": "2023-11-01"}], "version": 1, "currency": "USD", "entity_id": "us", "commitment": null, "contract_id": "coral-1", "customer_id": "coral", "price_book_id": "usd", "effective_from": "2023-01-01", "purchase_order": "", "effective_until": null, "credit_product_id": "credits"}', 'da382c8e7b3ff54061b04e58b908594be531f5c00b8278799b70d96714f049a5', '2023-12-01 09:00:00+00', 'ann'),
	('contract', 'delta-1', 1, '2023-01-01', '{"items": [{"price": null, "quantity": "1", "product_id": "large", "interval_months": 1}, {"price": null, "quantity": "1", "product_id": "small", "interval_months": 1}], "credits": [], "version": 1, "currency": "EUR", "entity_id": "de", "commitment": null, "contract_id": "delta-1", "customer_id": "delta", "price_book_id": "eur", "effective_from": "2023-01-01", "purchase_order": "", "effective_until": null, "credit_product_id": ""}', '80d47ed6d92dd0b0c0cabc0ca23ff0853c5ac94db4181504148ba6655acdb1c6', '2023-12-01 09:00:00+00', 'ann'),
	('tax_table', 'de', 1, '2000-01-01', '{"rates": [{"rate": "0.19", "tax_code": "DE", "tax_class": "standard", "jurisdiction": "DE", "effective_from": "2020-01-01", "effective_until": null}], "version": 1, "entity_id": "de"}', '7b1ad501e291347aaf5aeb0e9119755fb693a489f62de9047f5ad8509fcde14b', '2023-12-01 09:00:00+00', 'ann'),
	('tax_table', 'us', 1, '2000-01-01', '{"rates": [{"rate": "0.1", "tax_code": "WA", "tax_class": "standard", "jurisdiction": "US-WA", "effective_from": "2020-01-01", "effective_until": null}], "version": 1, "entity_id": "us"}', '291ec5ba8c18f0d87bc94846f6ebb67a0e7bf0a43b67da5d08646d00099ba09b', '2023-12-01 09:00:00+00', 'ann'),
	('gl_map', 'de', 1, '2000-01-01', '{"target": "erp", "company": "DE", "accounts": {"revenue": "4000", "tax_payable": "2200", "contract_liability": "2300", "accounts_receivable": "1100", "unbilled_receivable": "1150"}, "settings": {}, "entity_id": "de", "tax_codes": {"DE": "19"}, "tax_accounts": {}}', '9e7d9482a7972cc0c0dcac1e2819ddc1f23a9dc2a0ef9c605333bc5f89521b2c', '2023-12-01 09:00:00+00', 'ann'),
	('gl_map', 'us', 1, '2000-01-01', '{"target": "erp", "company": "US", "accounts": {"revenue": "4000", "tax_payable": "2200", "contract_liability": "2300", "accounts_receivable": "1100", "unbilled_receivable": "1150"}, "settings": {}, "entity_id": "us", "tax_codes": {"WA": "12"}, "tax_accounts": {}}', 'a9ad1448d328fc65583eb12040c5aafb85493c943ef2ce732fc95088cf2f2c04', '2023-12-01 09:00:00+00', 'ann');
INSERT INTO public.metered_usage VALUES
	('use_y36jnkt7khznaloa46hbb33ggq', 'acme', 'acme-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1501, 2, '74ca43d0d94436a0784ff3fada4f93e8', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_mppjpgejpgtm3ojgva7tuk2afq', 'acme', 'acme-1', 1, 'small', 'tokens', 1, '{"model": "small"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1001, 1, '01a79dec7cd7bb2b7ce4b0559c442eb0', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_hafc22mfo7qvz3kvknvuuppfxq', 'beta', 'beta-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 2000, 1, '92bfaa2a2f427c428fccfb02f5ac5282', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_daac726hduy6dadlewkro443ve', 'coral', 'coral-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1400, 1, 'c70f915509348aa82fa3aa5c34ac9280', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_56kxyguzu3ondo32euenr5d33i', 'delta', 'delta-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 700, 1, 'ff0b9ac6c9320c646cb97b0cf0a07d7a', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_jvoepea3jarbv56wd7bcmj75zq', 'delta', 'delta-1', 1, 'small', 'tokens', 1, '{"model": "small"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 50, 1, 'd0d51fdb68effc2be3e6f283b4522426', 7, NULL, '2023-12-01 09:00:00+00'),
	('use_fooksttk2lo73r4o2665fsqdia', 'acme', 'acme-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1504, 3, 'e47a05ac9b1bdf9bee55217822dacf19', 9, 'use_y36jnkt7khznaloa46hbb33ggq', '2023-12-01 11:00:00+00'),
	('use_2ddo6vsbz7byeb7njp7pzmjzsq', 'acme', 'acme-1', 1, 'small', 'tokens', 1, '{"model": "small"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1013, 2, '641186de5b560fdf55d2ad366cac6cb8', 9, 'use_mppjpgejpgtm3ojgva7tuk2afq', '2023-12-01 11:00:00+00'),
	('use_q675bncivgi3mbo74eqpsuru4q', 'delta', 'delta-1', 1, 'large', 'tokens', 1, '{"model": "large"}', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 709, 2, 'd1f42188bf2ea6b0b0d30099a511b25b', 9, 'use_56kxyguzu3ondo32euenr5d33i', '2023-12-01 11:00:00+00');
INSERT INTO public.posting OVERRIDING SYSTEM VALUE VALUES
	('pst_om5bzhqahrgru2jpzh6zbxqigy', 2, 'inv_inco3wqyjp7q2tmwto6n54qoxi', 'invoice', 'us', 'erp', 'pst_om5bzhqahrgru2jpzh6zbxqigy', 'TBHKAPUJVXH7DJO5', NULL, '2023-11', 'posted', '{"key": "pst_om5bzhqahrgru2jpzh6zbxqigy", "kind": "invoice", "memo": "US-000001, usage of 2023-11", "key16": "TBHKAPUJVXH7DJO5", "lines": [{"item": "", "amount": "13.76", "account": "1150", "line_no": 1, "description": "Large · 1,501 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "3.33", "account": "1150", "line_no": 2, "description": "Small · 1,001 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "1200.00", "account": "2300", "line_no": 3, "description": "Support · 1 November 2023 to 31 October 2024", "service_from": "2023-11-01", "service_until": "2024-10-31"}], "taxes": [{"base": "13.76", "code": "12", "rate": "0.1", "amount": "1.38", "account": "2200", "line_no": 1, "description": "WA US-WA"}, {"base": "3.33", "code": "12", "rate": "0.1", "amount": "0.33", "account": "2200", "line_no": 2, "description": "WA US-WA"}, {"base": "1200.00", "code": "12", "rate": "0.1", "amount": "120.00", "account": "2200", "line_no": 3, "description": "WA US-WA"}], "number": "US-000001", "company": "US", "currency": "USD", "customer": "C-1", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', '84747c3f9c5ca37c362f562d816093dbc60757c51fa4d47e65bf2f1697e48af6', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "1217.09", "tax": "121.71", "state": "posted", "total": "1338.80", "number": "US-000001", "period": "2023-11", "currency": "USD", "customer": "C-1", "reference": "ref-pst_om5bzhqahrgru2jpzh6zbxqigy", "line_count": 3}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_inrzkl2coazkxsx2atdhuh3y3i', 3, 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 'invoice', 'us', 'erp', 'pst_inrzkl2coazkxsx2atdhuh3y3i', 'TBZ5FGZQXXXMCMFM', NULL, '2023-11', 'posted', '{"key": "pst_inrzkl2coazkxsx2atdhuh3y3i", "kind": "invoice", "memo": "US-000002, usage of 2023-11", "key16": "TBZ5FGZQXXXMCMFM", "lines": [{"item": "", "amount": "17.50", "account": "1150", "line_no": 1, "description": "Large · 2,000 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "82.50", "account": "1150", "line_no": 2, "description": "Commitment shortfall · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}], "taxes": [{"base": "17.50", "code": "12", "rate": "0.1", "amount": "1.75", "account": "2200", "line_no": 1, "description": "WA US-WA"}, {"base": "82.50", "code": "12", "rate": "0.1", "amount": "8.25", "account": "2200", "line_no": 2, "description": "WA US-WA"}], "number": "US-000002", "company": "US", "currency": "USD", "customer": "C-2", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', 'c6d42ba7a768b9ff7ace734767e48f7affce9010221ac9369a0b842a2d3a8061', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "100.00", "tax": "10.00", "state": "posted", "total": "110.00", "number": "US-000002", "period": "2023-11", "currency": "USD", "customer": "C-2", "reference": "ref-pst_inrzkl2coazkxsx2atdhuh3y3i", "line_count": 2}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_2qdwkka652kvpfp36tn26zac7a', 1, 'inv_hhhiwp5u75fneg4zbzso3jjate', 'invoice', 'de', 'erp', 'pst_2qdwkka652kvpfp36tn26zac7a', 'TBKK7CDCULWZGPWS', NULL, '2023-11', 'posted', '{"key": "pst_2qdwkka652kvpfp36tn26zac7a", "kind": "invoice", "memo": "DE-000001, usage of 2023-11", "key16": "TBKK7CDCULWZGPWS", "lines": [{"item": "", "amount": "7.00", "account": "1150", "line_no": 1, "description": "Large · 700 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "0.17", "account": "1150", "line_no": 2, "description": "Small · 50 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}], "taxes": [{"base": "7.00", "code": "19", "rate": "0.19", "amount": "1.33", "account": "2200", "line_no": 1, "description": "DE DE"}, {"base": "0.17", "code": "19", "rate": "0.19", "amount": "0.03", "account": "2200", "line_no": 2, "description": "DE DE"}], "number": "DE-000001", "company": "DE", "currency": "EUR", "customer": "C-4", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', 'f2f71e4fcf8bc2b110d48897f2dd95506d33dd59d31eb19a409525eb812050fd', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "7.17", "tax": "1.36", "state": "posted", "total": "8.53", "number": "DE-000001", "period": "2023-11", "currency": "EUR", "customer": "C-4", "reference": "ref-pst_2qdwkka652kvpfp36tn26zac7a", "line_count": 2}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_fvokzuv245dqdv775mii65c7zm', 4, 'inv_ynp7lagao5trxsl3qdarfsmye4', 'invoice', 'us', 'erp', 'pst_fvokzuv245dqdv775mii65c7zm', 'TBPDRXWMKPVFYHIR', NULL, '2023-11', 'posted', '{"key": "pst_fvokzuv245dqdv775mii65c7zm", "kind": "invoice", "memo": "US-000003, usage of 2023-11", "key16": "TBPDRXWMKPVFYHIR", "lines": [{"item": "", "amount": "13.00", "account": "1150", "line_no": 1, "description": "Large · 1,400 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "50.00", "account": "2300", "line_no": 2, "description": "Prepaid credits · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "-13.00", "account": "2300", "line_no": 3, "description": "Prepaid credits applied · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}], "taxes": [{"base": "13.00", "code": "12", "rate": "0.1", "amount": "1.30", "account": "2200", "line_no": 1, "description": "WA US-WA"}], "number": "US-000003", "company": "US", "currency": "USD", "customer": "C-3", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', '65d5e064e5bed81cb3f801c08dd15aa4cc960ce6106b8a7970d1acb6ed75aae8', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "50.00", "tax": "1.30", "state": "posted", "total": "51.30", "number": "US-000003", "period": "2023-11", "currency": "USD", "customer": "C-3", "reference": "ref-pst_fvokzuv245dqdv775mii65c7zm", "line_count": 3}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_6ufmdrwftpxwhsb2fq63losa7q', 5, 'jdc_bufh77z2ly2zvot3ofywg6ce6i', 'journal', 'de', 'erp', 'pst_6ufmdrwftpxwhsb2fq63losa7q', 'TBZBSLCBSPR7S7XH', NULL, '2023-11', 'posted', '{"key": "pst_6ufmdrwftpxwhsb2fq63losa7q", "kind": "journal", "memo": "Revenue recognized 2023-11", "key16": "TBZBSLCBSPR7S7XH", "lines": [{"item": "", "amount": "-7.00", "account": "4000", "line_no": 1, "description": "revenue:large 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "-0.17", "account": "4000", "line_no": 2, "description": "revenue:small 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "7.17", "account": "1150", "line_no": 3, "description": "unbilled_receivable 2023-11", "service_from": null, "service_until": null}], "taxes": [], "number": "TBZBSLCBSPR7S7XH", "company": "DE", "currency": "EUR", "customer": "", "due_date": null, "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": ""}', '8b0196187929f7b0765e6d94ea2247d7661802d915ae83df36d2904f28cca203', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "7.17", "tax": "0", "state": "posted", "total": "7.17", "number": "TBZBSLCBSPR7S7XH", "period": "2023-11", "currency": "EUR", "customer": "", "reference": "ref-pst_6ufmdrwftpxwhsb2fq63losa7q", "line_count": 3}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_nk5vcxhudoqwwdplnjchb53hi4', 6, 'jdc_4cvyw6lcmpiuvlpjdtjsrap62m', 'journal', 'us', 'erp', 'pst_nk5vcxhudoqwwdplnjchb53hi4', 'TBUV3RCLVXI3I6AB', NULL, '2023-11', 'posted', '{"key": "pst_nk5vcxhudoqwwdplnjchb53hi4", "kind": "journal", "memo": "Revenue recognized 2023-11", "key16": "TBUV3RCLVXI3I6AB", "lines": [{"item": "", "amount": "98.36", "account": "2300", "line_no": 1, "description": "contract_liability 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "-126.76", "account": "4000", "line_no": 2, "description": "revenue:large 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "-3.33", "account": "4000", "line_no": 3, "description": "revenue:small 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "-98.36", "account": "4000", "line_no": 4, "description": "revenue:support 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "130.09", "account": "1150", "line_no": 5, "description": "unbilled_receivable 2023-11", "service_from": null, "service_until": null}], "taxes": [], "number": "TBUV3RCLVXI3I6AB", "company": "US", "currency": "USD", "customer": "", "due_date": null, "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": ""}', '1a44fc2c3500aef90a7febcd5145d6adba66ab5961596bed7770454d8b4a4e05', 1, '2023-12-01 09:00:00+00', NULL, NULL, '2023-12-01 09:00:00+00', NULL, NULL, NULL, '{"net": "228.45", "tax": "0", "state": "posted", "total": "228.45", "number": "TBUV3RCLVXI3I6AB", "period": "2023-11", "currency": "USD", "customer": "", "reference": "ref-pst_nk5vcxhudoqwwdplnjchb53hi4", "line_count": 5}', '2023-12-01 09:00:00+00', '2023-12-01 09:00:00+00'),
	('pst_fej4llq3zoltiulwrgq6slcrnm', 7, 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 'invoice', 'de', 'erp', 'pst_fej4llq3zoltiulwrgq6slcrnm', 'TBG5NXDT7KU72DKI', NULL, '2023-11', 'posted', '{"key": "pst_fej4llq3zoltiulwrgq6slcrnm", "kind": "invoice", "memo": "DE-000002, usage of 2023-11", "key16": "TBG5NXDT7KU72DKI", "lines": [{"item": "", "amount": "0.09", "account": "1150", "line_no": 1, "description": "Correction: Large · 9 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}], "taxes": [{"base": "0.09", "code": "19", "rate": "0.19", "amount": "0.02", "account": "2200", "line_no": 1, "description": "DE DE"}], "number": "DE-000002", "company": "DE", "currency": "EUR", "customer": "C-4", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', 'b64357450091e62d8b45cffc5e92bf90abad1598037a4cf5ab8cea14826c9d4a', 1, '2023-12-01 11:00:00+00', NULL, NULL, '2023-12-01 11:00:00+00', NULL, NULL, NULL, '{"net": "0.09", "tax": "0.02", "state": "posted", "total": "0.11", "number": "DE-000002", "period": "2023-11", "currency": "EUR", "customer": "C-4", "reference": "ref-pst_fej4llq3zoltiulwrgq6slcrnm", "line_count": 1}', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00'),
	('pst_kbyoxikesrvqgikltcpiixlriu', 8, 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 'invoice', 'us', 'erp', 'pst_kbyoxikesrvqgikltcpiixlriu', 'TBLNUKRHF3K7MSM7', NULL, '2023-11', 'posted', '{"key": "pst_kbyoxikesrvqgikltcpiixlriu", "kind": "invoice", "memo": "US-000004, usage of 2023-11", "key16": "TBLNUKRHF3K7MSM7", "lines": [{"item": "", "amount": "0.02", "account": "1150", "line_no": 1, "description": "Correction: Large · 3 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}, {"item": "", "amount": "0.04", "account": "1150", "line_no": 2, "description": "Correction: Small · 12 token · November 2023", "service_from": "2023-11-01", "service_until": "2023-11-30"}], "taxes": [{"base": "0.02", "code": "12", "rate": "0.1", "amount": "0.00", "account": "2200", "line_no": 1, "description": "WA US-WA"}, {"base": "0.04", "code": "12", "rate": "0.1", "amount": "0.00", "account": "2200", "line_no": 2, "description": "WA US-WA"}], "number": "US-000004", "company": "US", "currency": "USD", "customer": "C-1", "due_date": "2023-12-30", "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": "1100"}', '3a48f509a8168737a58817f9b1e0ac783803405a7e22570a63c240e96276e410', 1, '2023-12-01 11:00:00+00', NULL, NULL, '2023-12-01 11:00:00+00', NULL, NULL, NULL, '{"net": "0.06", "tax": "0.00", "state": "posted", "total": "0.06", "number": "US-000004", "period": "2023-11", "currency": "USD", "customer": "C-1", "reference": "ref-pst_kbyoxikesrvqgikltcpiixlriu", "line_count": 2}', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00'),
	('pst_qvmzcdbhsi7e5nvvdf3xbh4pde', 9, 'jdc_pb3yy2lsizd4uibnih746q3pim', 'journal', 'de', 'erp', 'pst_qvmzcdbhsi7e5nvvdf3xbh4pde', 'TBFKPIN4TO4RMSY7', NULL, '2023-11', 'posted', '{"key": "pst_qvmzcdbhsi7e5nvvdf3xbh4pde", "kind": "journal", "memo": "Revenue recognized 2023-11", "key16": "TBFKPIN4TO4RMSY7", "lines": [{"item": "", "amount": "-0.09", "account": "4000", "line_no": 1, "description": "revenue:large 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "0.09", "account": "1150", "line_no": 2, "description": "unbilled_receivable 2023-11", "service_from": null, "service_until": null}], "taxes": [], "number": "TBFKPIN4TO4RMSY7", "company": "DE", "currency": "EUR", "customer": "", "due_date": null, "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": ""}', '3f616fad34f6fba0ffe3d658e56d220f9f6243c5f5bcf40f160f28d2312aac61', 1, '2023-12-01 11:00:00+00', NULL, NULL, '2023-12-01 11:00:00+00', NULL, NULL, NULL, '{"net": "0.09", "tax": "0", "state": "posted", "total": "0.09", "number": "TBFKPIN4TO4RMSY7", "period": "2023-11", "currency": "EUR", "customer": "", "reference": "ref-pst_qvmzcdbhsi7e5nvvdf3xbh4pde", "line_count": 2}', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00'),
	('pst_z3ot27nzkyx36c7pjjfoqouw7q', 10, 'jdc_sg7hhcylfagyfgctrh63tfq2xe', 'journal', 'us', 'erp', 'pst_z3ot27nzkyx36c7pjjfoqouw7q', 'TBFR5SYIL7ZENQ57', NULL, '2023-11', 'posted', '{"key": "pst_z3ot27nzkyx36c7pjjfoqouw7q", "kind": "journal", "memo": "Revenue recognized 2023-11", "key16": "TBFR5SYIL7ZENQ57", "lines": [{"item": "", "amount": "-0.02", "account": "4000", "line_no": 1, "description": "revenue:large 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "-0.04", "account": "4000", "line_no": 2, "description": "revenue:small 2023-11", "service_from": null, "service_until": null}, {"item": "", "amount": "0.06", "account": "1150", "line_no": 3, "description": "unbilled_receivable 2023-11", "service_from": null, "service_until": null}], "taxes": [], "number": "TBFR5SYIL7ZENQ57", "company": "US", "currency": "USD", "customer": "", "due_date": null, "settings": {}, "corrects_key": "", "document_date": "2023-11-30", "accounting_date": "2023-11-30", "receivable_account": ""}', '3b672ad80a23c635510a194532a531c360988277546f66aa99c886b5bea8a21b', 1, '2023-12-01 11:00:00+00', NULL, NULL, '2023-12-01 11:00:00+00', NULL, NULL, NULL, '{"net": "0.06", "tax": "0", "state": "posted", "total": "0.06", "number": "TBFR5SYIL7ZENQ57", "period": "2023-11", "currency": "USD", "customer": "", "reference": "ref-pst_z3ot27nzkyx36c7pjjfoqouw7q", "line_count": 3}', '2023-12-01 11:00:00+00', '2023-12-01 11:00:00+00');
INSERT INTO public.posting_attempt VALUES
	('pst_om5bzhqahrgru2jpzh6zbxqigy', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_2qdwkka652kvpfp36tn26zac7a', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_om5bzhqahrgru2jpzh6zbxqigy', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_2qdwkka652kvpfp36tn26zac7a', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_inrzkl2coazkxsx2atdhuh3y3i', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_inrzkl2coazkxsx2atdhuh3y3i', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_fvokzuv245dqdv775mii65c7zm', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_fvokzuv245dqdv775mii65c7zm', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_nk5vcxhudoqwwdplnjchb53hi4', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_nk5vcxhudoqwwdplnjchb53hi4', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_6ufmdrwftpxwhsb2fq63losa7q', 1, '2023-12-01 09:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_6ufmdrwftpxwhsb2fq63losa7q', 2, '2023-12-01 09:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_fej4llq3zoltiulwrgq6slcrnm', 1, '2023-12-01 11:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_kbyoxikesrvqgikltcpiixlriu', 1, '2023-12-01 11:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_fej4llq3zoltiulwrgq6slcrnm', 2, '2023-12-01 11:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_kbyoxikesrvqgikltcpiixlriu', 2, '2023-12-01 11:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_z3ot27nzkyx36c7pjjfoqouw7q', 1, '2023-12-01 11:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_z3ot27nzkyx36c7pjjfoqouw7q', 2, '2023-12-01 11:00:00+00', 'matched', 'posted', NULL, NULL),
	('pst_qvmzcdbhsi7e5nvvdf3xbh4pde', 1, '2023-12-01 11:00:00+00', 'intended', 'sending', NULL, NULL),
	('pst_qvmzcdbhsi7e5nvvdf3xbh4pde', 2, '2023-12-01 11:00:00+00', 'matched', 'posted', NULL, NULL);
INSERT INTO public.quarantine VALUES
	('qua_ns57kjgw22znktznynh3bt3s2a', 'file', '2023-12-01 10:00:00+00', 'capture.unknown_subject', 'No customer has the subject ''nobody'' on 2023-11-16: add it to a customer, or correct the sender.', 'nobody', '/gateway', 'u1', '\x7b227370656376657273696f6e223a2022312e30222c20226964223a20227531222c2022736f75726365223a20222f67617465776179222c202274797065223a20226c6c6d2e72657175657374222c20227375626a656374223a20226e6f626f6479222c202274696d65223a2022323032332d31312d31365431323a33303a30305a222c202264617461223a207b226d6f64656c223a20226c61726765222c2022746f6b656e73223a20357d7d', 'open', NULL, NULL, NULL, NULL);
INSERT INTO public.revenue_schedule VALUES
	('sch_ig23esxca6vqef4k6eyq46pv3i', 'inv_hhhiwp5u75fneg4zbzso3jjate', 1, 'usage', 'de', 'EUR', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 700, 'unbilled_receivable', 'revenue:large', '2023-12-01 09:00:00+00'),
	('sch_4zgv5ajf2fr6dx3wsqriobwzza', 'inv_hhhiwp5u75fneg4zbzso3jjate', 2, 'usage', 'de', 'EUR', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 17, 'unbilled_receivable', 'revenue:small', '2023-12-01 09:00:00+00'),
	('sch_e2rbjfjkgwyen44do22h6jhxre', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 1, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1376, 'unbilled_receivable', 'revenue:large', '2023-12-01 09:00:00+00'),
	('sch_q46yuflx2xy4xjwdxxxdslcnvq', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 2, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 333, 'unbilled_receivable', 'revenue:small', '2023-12-01 09:00:00+00'),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', 'inv_inco3wqyjp7q2tmwto6n54qoxi', 3, 'ratable', 'us', 'USD', '2023-11-01 00:00:00+00', '2024-11-01 00:00:00+00', 120000, 'contract_liability', 'revenue:support', '2023-12-01 09:00:00+00'),
	('sch_dwuit6mbhfzrshjtvku5jzf3ui', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 1, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1750, 'unbilled_receivable', 'revenue:large', '2023-12-01 09:00:00+00'),
	('sch_ql2adtihnd63kfe52qvszyunha', 'inv_zeg5aljhhfdpm7gqqgyf2zmcxq', 2, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 8250, 'unbilled_receivable', 'revenue:large', '2023-12-01 09:00:00+00'),
	('sch_eipqaxb3fgl6pzuaxhtyepexme', 'inv_ynp7lagao5trxsl3qdarfsmye4', 1, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 1300, 'unbilled_receivable', 'revenue:large', '2023-12-01 09:00:00+00'),
	('sch_pfc3s7ojgwmp7473j4txqjjho4', 'inv_ynp7lagao5trxsl3qdarfsmye4', 2, 'on_drawdown', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 5000, 'contract_liability', 'revenue:credits', '2023-12-01 09:00:00+00'),
	('sch_ibfn2kgwq57s3bxeejcafzvt2q', 'inv_ynp7lagao5trxsl3qdarfsmye4', 3, 'on_drawdown', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', -1300, 'contract_liability', 'revenue:credits', '2023-12-01 09:00:00+00'),
	('sch_7wz5drhex3uke4csj4u3jskr34', 'inv_2jrrhrnzxbgyxwrfjjkqn4fl4a', 1, 'usage', 'de', 'EUR', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 9, 'unbilled_receivable', 'revenue:large', '2023-12-01 11:00:00+00'),
	('sch_3bbm5gn352g2ebwotjtd6yzxzu', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 1, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 2, 'unbilled_receivable', 'revenue:large', '2023-12-01 11:00:00+00'),
	('sch_dkl4nviph7u6qqdqz3qomzd5ce', 'inv_7qwd6opv7ky2wsn6k3kqoa7b4q', 2, 'usage', 'us', 'USD', '2023-11-01 00:00:00+00', '2023-12-01 00:00:00+00', 4, 'unbilled_receivable', 'revenue:small', '2023-12-01 11:00:00+00');
INSERT INTO public.revenue_schedule_line VALUES
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2023-12', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-01', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-02', 9508, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-03', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-04', 9836, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-05', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-06', 9836, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-07', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-08', 10164, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-09', 9836, NULL),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2024-10', 10164, NULL),
	('sch_ig23esxca6vqef4k6eyq46pv3i', '2023-11', 700, 'jrn_gz4gthm4zbogs4xyxqotfk3fii'),
	('sch_4zgv5ajf2fr6dx3wsqriobwzza', '2023-11', 17, 'jrn_6aa5g3ev2qxzwimnos6gbmeis4'),
	('sch_e2rbjfjkgwyen44do22h6jhxre', '2023-11', 1376, 'jrn_wj6r5zmm33fujozz3czqzbavb4'),
	('sch_q46yuflx2xy4xjwdxxxdslcnvq', '2023-11', 333, 'jrn_f4mf766tg73tvxsumfyeb663fa'),
	('sch_swtyzjdpb4t24tmdpidiyfkvd4', '2023-11', 9836, 'jrn_qjwzj27qmhrdl54kq7agyhjpte'),
	('sch_dwuit6mbhfzrshjtvku5jzf3ui', '2023-11', 1750, 'jrn_edpgooo6sfbtnzbdx7tamen7xe'),
	('sch_ql2adtihnd63kfe52qvszyunha', '2023-11', 8250, 'jrn_7zxtorj47nt4okeg65juvsncy4'),
	('sch_eipqaxb3fgl6pzuaxhtyepexme', '2023-11', 1300, 'jrn_vft54wiohxipcgskm727ygvxaq'),
	('sch_7wz5drhex3uke4csj4u3jskr34', '2023-11', 9, 'jrn_bkgv3odj7gs6l7562sn45bfgeu'),
	('sch_3bbm5gn352g2ebwotjtd6yzxzu', '2023-11', 2, 'jrn_zttrw2e7pshfgwb4gvyyn2p3ki'),
	('sch_dkl4nviph7u6qqdqz3qomzd5ce', '2023-11', 4, 'jrn_shutsa46n4dvsrcqfgb5u3xyoy');
INSERT INTO public.schema_migration VALUES
	(1, 'control', 'af922c0ed51b4fda502ae8baab784f6015db345a8667e169175a6ab568aca7ba', '2026-11-20 17:28:28.737593+00'),
	(2, 'masterdata', 'b1e69e087af83377d09df949f2589fe06b6616bbbe56d3278d3f23b43689464a', '2026-11-20 17:28:28.760972+00'),
	(3, 'capture', '4bb642320570b15ec26acc38e9fa22e51c95ff3ee2b4d50eaa349fcec98801e7', '2026-11-20 17:28:28.773272+00'),
	(4, 'meter_rate', '88c85c803154c9701a87871dd5638c144c8f7a2e7db1138bf12dd2e9ab0040f9', '2026-11-20 17:28:28.798318+00'),
	(5, 'invoice_ledger', 'd9bb9ff1dddb2fb7f16deccbd949765e0dc5e5598eb9da5890072aa5ce951622', '2026-11-20 17:28:28.837159+00'),
	(6, 'post', 'b5c0c7f5f5cd1132ff470a30f020e7d86e454e23f16c5d7e7a2e782388243930', '2026-11-20 17:28:28.861239+00'),
	(7, 'recognize_reconcile', '711c638561334f14bf398153205fc8542276f66343271491576c7fbf355c5afe', '2026-11-20 17:28:28.87984+00');
INSERT INTO public.subject_crosswalk VALUES
	('acme', 'acme', '(,)'),
	('beta', 'beta', '(,)'),
	('coral', 'coral', '(,)'),
	('delta', 'delta', '(,)');
INSERT INTO public.summarized_meters VALUES
	('llm.request', 'a43692a381b921737edc18dca77fa86ab8f939e0a91bcddf502fa8b71cc6bf80');
INSERT INTO public.usage_event_20231116 VALUES
	('ab17cdcb-873a-76ba-62a7-e4c637573334', '2023-11-16', 1756285142009821444, -5810781694379430351, 1, 0, '2023-11-16 12:30:00+00', '/gateway', 'a1', 'llm.request', 'acme', '{"model": "large", "tokens": 1000}'),
	('ad91578b-2555-579d-3827-678331174c51', '2023-11-16', 6659328275962756508, -3966546312888605257, 2, 0, '2023-11-16 12:30:00+00', '/gateway', 'a2', 'llm.request', 'acme', '{"model": "large", "tokens": 501}'),
	('542f79c4-ee23-6a7c-3d12-2f0705698e78', '2023-11-16', 119237554180963115, 8999511837133516464, 3, 0, '2023-11-16 12:30:00+00', '/gateway', 'a3', 'llm.request', 'acme', '{"model": "small", "tokens": 1001}'),
	('79284d66-886c-cfef-99c6-97d6b10eee17', '2023-11-16', -7872386525462102974, -8084811240906665342, 4, 0, '2023-11-16 12:30:00+00', '/gateway', 'b1', 'llm.request', 'beta', '{"model": "large", "tokens": 2000}'),
	('4dd32c61-884c-8010-6c5c-296678962324', '2023-11-16', -4102900941098546520, 3432774653983888000, 5, 0, '2023-11-16 12:30:00+00', '/gateway', 'c1', 'llm.request', 'coral', '{"model": "large", "tokens": 1400}'),
	('bed0a07c-d297-268b-9bff-cc859583f62a', '2023-11-16', -68791190724408220, 7834428322294562170, 6, 0, '2023-11-16 12:30:00+00', '/gateway', 'd1', 'llm.request', 'delta', '{"model": "large", "tokens": 700}'),
	('4783da20-af31-6892-3c24-55bdc30c8260', '2023-11-16', -3398775316562314197, -2024664334976539610, 7, 0, '2023-11-16 12:30:00+00', '/gateway', 'd2', 'llm.request', 'delta', '{"model": "small", "tokens": 50}'),
	('28b6da4c-e004-6944-d642-76bf109a17da', '2023-11-16', 7091455213789140148, -2815316149537325560, 8, 7, '2023-11-16 12:30:00+00', '/gateway', 'a4', 'llm.request', 'acme', '{"model": "small", "tokens": 12}'),
	('261b744c-a1de-f0cc-4140-ac7802089d87', '2023-11-16', -3249198963534030260, 4907100108366099681, 8, 8, '2023-11-16 12:30:00+00', '/gateway', 'd3', 'llm.request', 'delta', '{"model": "large", "tokens": 9}'),
	('f3c497c7-96e0-f843-f3ba-d58fce8cb1e9', '2023-11-16', 8047864208728500475, 8504253487470295857, 8, 9, '2023-11-16 12:30:00+00', '/gateway', 'x', 'llm.request', 'acme', '{"model": "large", "tokens": 3}');
INSERT INTO public.usage_hour VALUES
	('tokens', 1, 'acme', '{"model": "large"}', '2023-11-16 12:00:00+00', 'llm.request', 3, 1504, '2023-11-16 12:30:00+00', 'f3c497c7-96e0-f843-f3ba-d58fce8cb1e9', 16463477626701078427, -1273074519797739751),
	('tokens', 1, 'acme', '{"model": "small"}', '2023-11-16 12:00:00+00', 'llm.request', 2, 1013, '2023-11-16 12:30:00+00', '542f79c4-ee23-6a7c-3d12-2f0705698e78', 7210692767970103263, 6184195687596190904),
	('tokens', 1, 'beta', '{"model": "large"}', '2023-11-16 12:00:00+00', 'llm.request', 1, 2000, '2023-11-16 12:30:00+00', '79284d66-886c-cfef-99c6-97d6b10eee17', -7872386525462102974, -8084811240906665342),
	('tokens', 1, 'coral', '{"model": "large"}', '2023-11-16 12:00:00+00', 'llm.request', 1, 1400, '2023-11-16 12:30:00+00', '4dd32c61-884c-8010-6c5c-296678962324', -4102900941098546520, 3432774653983888000),
	('tokens', 1, 'delta', '{"model": "large"}', '2023-11-16 12:00:00+00', 'llm.request', 2, 709, '2023-11-16 12:30:00+00', 'bed0a07c-d297-268b-9bff-cc859583f62a', -3317990154258438480, 12741528430660661851),
	('tokens', 1, 'delta', '{"model": "small"}', '2023-11-16 12:00:00+00', 'llm.request', 1, 50, '2023-11-16 12:30:00+00', '4783da20-af31-6892-3c24-55bdc30c8260', -3398775316562314197, -2024664334976539610);
INSERT INTO public.usage_summary VALUES
	(true, 9);
INSERT INTO public.work_item VALUES
	('wrk_hagswumnwjsqwknuaff34sj4f4', 'capture.unknown_subject', 'capture', 'nobody', 'No customer has the subject ''nobody'' on 2023-11-16: add it to a customer, or correct the sender.', 'billing', false, 'open', '2023-12-01 10:00:00+00', NULL, NULL, NULL),
	('wrk_jqbroja4aessphqq2o6txwz364', 'capture.conflict', 'capture', 'cnf_uya7bqjqyb7rqyxcz3w2ts664e', 'Two events share one source and id but differ. The first was counted, this one was not: void the first if it is wrong, or let it stand.', 'billing', false, 'open', '2023-12-01 10:00:00+00', NULL, NULL, NULL);
INSERT INTO public.work_item_object VALUES
	('wrk_hagswumnwjsqwknuaff34sj4f4', 'qua_ns57kjgw22znktznynh3bt3s2a', '2023-12-01 10:00:00+00'),
	('wrk_jqbroja4aessphqq2o6txwz364', 'cnf_uya7bqjqyb7rqyxcz3w2ts664e', '2023-12-01 10:00:00+00');
SELECT pg_catalog.setval('public.charge_sequence_seq', 13, true);
SELECT pg_catalog.setval('public.intake_receipt_receipt_seq', 9, true);
SELECT pg_catalog.setval('public.posting_lease_token', 10, true);
SELECT pg_catalog.setval('public.posting_position_seq', 10, true);
ALTER TABLE ONLY public.audit_record
    ADD CONSTRAINT audit_record_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.audit_record
    ADD CONSTRAINT audit_record_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.charge_billed
    ADD CONSTRAINT charge_billed_pkey PRIMARY KEY (charge_id);
ALTER TABLE ONLY public.charge
    ADD CONSTRAINT charge_pkey PRIMARY KEY (charge_id);
ALTER TABLE ONLY public.charge_superseded
    ADD CONSTRAINT charge_superseded_pkey PRIMARY KEY (charge_id);
ALTER TABLE ONLY public.credit_movement
    ADD CONSTRAINT credit_movement_pkey PRIMARY KEY (movement_id);
ALTER TABLE ONLY public.dirty_day
    ADD CONSTRAINT dirty_day_pkey PRIMARY KEY (day, type, receipt);
ALTER TABLE ONLY public.event_conflict
    ADD CONSTRAINT event_conflict_pkey PRIMARY KEY (conflict_id);
ALTER TABLE ONLY public.event_exclusion
    ADD CONSTRAINT event_exclusion_pkey PRIMARY KEY (h, day);
ALTER TABLE ONLY public.event_identity
    ADD CONSTRAINT event_identity_pkey PRIMARY KEY (h);
ALTER TABLE ONLY public.intake_receipt
    ADD CONSTRAINT intake_receipt_pkey PRIMARY KEY (receipt);
ALTER TABLE ONLY public.intake_tally
    ADD CONSTRAINT intake_tally_pkey PRIMARY KEY (process, answer);
ALTER TABLE ONLY public.invoice
    ADD CONSTRAINT invoice_entity_id_number_key UNIQUE (entity_id, number);
ALTER TABLE ONLY public.invoice_line
    ADD CONSTRAINT invoice_line_charge_id_key UNIQUE (charge_id);
ALTER TABLE ONLY public.invoice_line
    ADD CONSTRAINT invoice_line_pkey PRIMARY KEY (invoice_id, line_no);
ALTER TABLE ONLY public.invoice
    ADD CONSTRAINT invoice_pkey PRIMARY KEY (invoice_id);
ALTER TABLE ONLY public.invoice_series
    ADD CONSTRAINT invoice_series_pkey PRIMARY KEY (entity_id, series);
ALTER TABLE ONLY public.invoice_tax
    ADD CONSTRAINT invoice_tax_pkey PRIMARY KEY (invoice_id, line_no, tax_code);
ALTER TABLE ONLY public.journal_document_entry
    ADD CONSTRAINT journal_document_entry_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY public.journal_document
    ADD CONSTRAINT journal_document_pkey PRIMARY KEY (document_id);
ALTER TABLE ONLY public.journal_entry
    ADD CONSTRAINT journal_entry_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY public.journal_line
    ADD CONSTRAINT journal_line_pkey PRIMARY KEY (entry_id, line_no);
ALTER TABLE ONLY public.lineage_edge
    ADD CONSTRAINT lineage_edge_pkey PRIMARY KEY (child_id, parent_id);
ALTER TABLE ONLY public.master_version
    ADD CONSTRAINT master_version_pkey PRIMARY KEY (kind, key, version);
ALTER TABLE ONLY public.metered_usage
    ADD CONSTRAINT metered_usage_pkey PRIMARY KEY (usage_id);
ALTER TABLE ONLY public.metered_usage
    ADD CONSTRAINT metered_usage_replaces_key UNIQUE (replaces);
ALTER TABLE ONLY public.posting_attempt
    ADD CONSTRAINT posting_attempt_pkey PRIMARY KEY (posting_id, number);
ALTER TABLE ONLY public.posting
    ADD CONSTRAINT posting_pkey PRIMARY KEY (posting_id);
ALTER TABLE ONLY public.posting
    ADD CONSTRAINT posting_target_document_id_key UNIQUE (target, document_id);
ALTER TABLE ONLY public.posting
    ADD CONSTRAINT posting_target_key_key UNIQUE (target, key);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id);
ALTER TABLE ONLY public.reconciliation
    ADD CONSTRAINT reconciliation_pkey PRIMARY KEY (reconciliation_id);
ALTER TABLE ONLY public.revenue_schedule
    ADD CONSTRAINT revenue_schedule_invoice_id_line_no_key UNIQUE (invoice_id, line_no);
ALTER TABLE ONLY public.revenue_schedule_line
    ADD CONSTRAINT revenue_schedule_line_pkey PRIMARY KEY (schedule_id, month);
ALTER TABLE ONLY public.revenue_schedule
    ADD CONSTRAINT revenue_schedule_pkey PRIMARY KEY (schedule_id);
ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.subject_crosswalk
    ADD CONSTRAINT subject_crosswalk_textrange_valid_excl EXCLUDE USING gist (public.textrange(subject, subject, '[]'::text) WITH &&, valid WITH &&);
ALTER TABLE ONLY public.summarized_meters
    ADD CONSTRAINT summarized_meters_pkey PRIMARY KEY (event_type);
ALTER TABLE ONLY public.usage_event
    ADD CONSTRAINT usage_event_pkey PRIMARY KEY (receipt, ordinal, day);
ALTER TABLE ONLY public.usage_event_20231116
    ADD CONSTRAINT usage_event_20231116_pkey PRIMARY KEY (receipt, ordinal, day);
ALTER TABLE ONLY public.usage_hour_member
    ADD CONSTRAINT usage_hour_member_pkey PRIMARY KEY (meter_id, meter_version, customer_id, dimensions, hour, member);
ALTER TABLE ONLY public.usage_hour
    ADD CONSTRAINT usage_hour_pkey PRIMARY KEY (meter_id, meter_version, customer_id, dimensions, hour);
ALTER TABLE ONLY public.usage_summary
    ADD CONSTRAINT usage_summary_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY public.work_item_object
    ADD CONSTRAINT work_item_object_pkey PRIMARY KEY (work_item_id, object_id);
ALTER TABLE ONLY public.work_item
    ADD CONSTRAINT work_item_pkey PRIMARY KEY (work_item_id);
CREATE INDEX charge_by_month ON public.charge USING btree (service_month, contract_id);
CREATE INDEX charge_by_usage ON public.charge USING btree (usage_id);
CREATE INDEX credit_movement_by_contract ON public.credit_movement USING btree (contract_id, grant_id);
CREATE INDEX event_conflict_by_time ON public.event_conflict USING btree (found_at, conflict_id);
CREATE INDEX invoice_by_month ON public.invoice USING btree (service_month, entity_id);
CREATE INDEX journal_entry_by_cause ON public.journal_entry USING btree (cause);
CREATE INDEX journal_line_by_role ON public.journal_line USING btree (role);
CREATE INDEX lineage_edge_by_parent ON public.lineage_edge USING btree (parent_id);
CREATE INDEX metered_usage_by_customer ON public.metered_usage USING btree (customer_id, meter_id, starts_at);
CREATE INDEX metered_usage_by_window ON public.metered_usage USING btree (starts_at, contract_id, product_id);
CREATE INDEX posting_by_document ON public.posting USING btree (document_id);
CREATE INDEX posting_by_month ON public.posting USING btree (service_month, state);
CREATE INDEX posting_leased ON public.posting USING btree (lease_until) WHERE (state = ANY (ARRAY['leased'::text, 'sending'::text]));
CREATE INDEX posting_ready ON public.posting USING btree (target, available_at, "position") WHERE (state = ANY (ARRAY['ready'::text, 'doubtful'::text, 'pending_remote'::text]));
CREATE INDEX posting_waiting ON public.posting USING btree (target, available_at) WHERE (state = ANY (ARRAY['held'::text, 'failed'::text]));
CREATE INDEX quarantine_open ON public.quarantine USING btree (code, cause) WHERE (state = 'open'::text);
CREATE INDEX revenue_schedule_line_open ON public.revenue_schedule_line USING btree (month) WHERE (entry_id IS NULL);
CREATE INDEX subject_crosswalk_by_customer ON public.subject_crosswalk USING btree (customer_id);
CREATE INDEX usage_hour_by_customer ON public.usage_hour USING btree (customer_id, meter_id, hour);
CREATE INDEX usage_hour_by_hour ON public.usage_hour USING btree (event_type, hour);
CREATE INDEX usage_hour_member_by_customer ON public.usage_hour_member USING btree (customer_id, meter_id, hour);
CREATE INDEX usage_hour_member_by_hour ON public.usage_hour_member USING btree (event_type, hour);
CREATE INDEX work_item_object_by_object ON public.work_item_object USING btree (object_id);
CREATE INDEX work_item_open ON public.work_item USING btree (stage, code) WHERE (state = 'open'::text);
ALTER INDEX public.usage_event_pkey ATTACH PARTITION public.usage_event_20231116_pkey;
CREATE TRIGGER audit_record_is_fact BEFORE DELETE OR UPDATE ON public.audit_record FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER charge_billed_is_fact BEFORE DELETE OR UPDATE ON public.charge_billed FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER charge_is_fact BEFORE DELETE OR UPDATE ON public.charge FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER credit_movement_is_fact BEFORE DELETE OR UPDATE ON public.credit_movement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER invoice_issued_is_fact BEFORE DELETE OR UPDATE ON public.invoice FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_issued_invoice();
CREATE TRIGGER invoice_line_issued_is_fact BEFORE INSERT OR DELETE OR UPDATE ON public.invoice_line FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_issued_line();
CREATE TRIGGER invoice_tax_issued_is_fact BEFORE INSERT OR DELETE OR UPDATE ON public.invoice_tax FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_issued_line();
CREATE CONSTRAINT TRIGGER journal_entry_balances AFTER INSERT ON public.journal_line DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.require_balance();
CREATE TRIGGER journal_entry_is_fact BEFORE DELETE OR UPDATE ON public.journal_entry FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER journal_line_is_fact BEFORE DELETE OR UPDATE ON public.journal_line FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER master_version_is_fact BEFORE DELETE OR UPDATE ON public.master_version FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER metered_usage_is_fact BEFORE DELETE OR UPDATE ON public.metered_usage FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER posting_payload_frozen BEFORE UPDATE ON public.posting FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_payload();
ALTER TABLE ONLY public.charge_billed
    ADD CONSTRAINT charge_billed_charge_id_fkey FOREIGN KEY (charge_id) REFERENCES public.charge(charge_id);
ALTER TABLE ONLY public.charge
    ADD CONSTRAINT charge_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.charge(charge_id);
ALTER TABLE ONLY public.charge_superseded
    ADD CONSTRAINT charge_superseded_charge_id_fkey FOREIGN KEY (charge_id) REFERENCES public.charge(charge_id);
ALTER TABLE ONLY public.charge
    ADD CONSTRAINT charge_usage_id_fkey FOREIGN KEY (usage_id) REFERENCES public.metered_usage(usage_id);
ALTER TABLE ONLY public.credit_movement
    ADD CONSTRAINT credit_movement_charge_id_fkey FOREIGN KEY (charge_id) REFERENCES public.charge(charge_id);
ALTER TABLE ONLY public.invoice
    ADD CONSTRAINT invoice_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.invoice(invoice_id);
ALTER TABLE ONLY public.invoice_line
    ADD CONSTRAINT invoice_line_charge_id_fkey FOREIGN KEY (charge_id) REFERENCES public.charge(charge_id);
ALTER TABLE ONLY public.invoice_line
    ADD CONSTRAINT invoice_line_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES public.invoice(invoice_id);
ALTER TABLE ONLY public.invoice_tax
    ADD CONSTRAINT invoice_tax_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES public.invoice(invoice_id);
ALTER TABLE ONLY public.journal_document_entry
    ADD CONSTRAINT journal_document_entry_document_id_fkey FOREIGN KEY (document_id) REFERENCES public.journal_document(document_id);
ALTER TABLE ONLY public.journal_document_entry
    ADD CONSTRAINT journal_document_entry_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.journal_entry(entry_id);
ALTER TABLE ONLY public.journal_entry
    ADD CONSTRAINT journal_entry_reverses_fkey FOREIGN KEY (reverses) REFERENCES public.journal_entry(entry_id);
ALTER TABLE ONLY public.journal_line
    ADD CONSTRAINT journal_line_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.journal_entry(entry_id);
ALTER TABLE ONLY public.metered_usage
    ADD CONSTRAINT metered_usage_replaces_fkey FOREIGN KEY (replaces) REFERENCES public.metered_usage(usage_id);
ALTER TABLE ONLY public.posting_attempt
    ADD CONSTRAINT posting_attempt_posting_id_fkey FOREIGN KEY (posting_id) REFERENCES public.posting(posting_id);
ALTER TABLE ONLY public.revenue_schedule
    ADD CONSTRAINT revenue_schedule_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES public.invoice(invoice_id);
ALTER TABLE ONLY public.revenue_schedule_line
    ADD CONSTRAINT revenue_schedule_line_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.journal_entry(entry_id);
ALTER TABLE ONLY public.revenue_schedule_line
    ADD CONSTRAINT revenue_schedule_line_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES public.revenue_schedule(schedule_id);
ALTER TABLE ONLY public.work_item_object
    ADD CONSTRAINT work_item_object_work_item_id_fkey FOREIGN KEY (work_item_id) REFERENCES public.work_item(work_item_id);
