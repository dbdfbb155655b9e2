-- Run once by ACCOUNTADMIN: the role and the user that Pulumi signs in as. The role may make what infra/ declares and
-- owns it; it may neither grant what it does not own nor change the account. It cannot make resource monitors, which
-- only ACCOUNTADMIN can: `pulumi stack output snowflakeAccountSql` holds those.
-- Replace the public key and the addresses from which Pulumi runs (yours, your CI's) before running it.
use role ACCOUNTADMIN;

create role if not exists CLICKSTREAM_DEPLOY;
grant create database on account to role CLICKSTREAM_DEPLOY;
grant create warehouse on account to role CLICKSTREAM_DEPLOY;
grant create role on account to role CLICKSTREAM_DEPLOY;
grant create user on account to role CLICKSTREAM_DEPLOY;
grant create integration on account to role CLICKSTREAM_DEPLOY;
grant create network policy on account to role CLICKSTREAM_DEPLOY;
grant role CLICKSTREAM_DEPLOY to role SYSADMIN;

create network policy if not exists CLICKSTREAM_DEPLOY allowed_ip_list = ('203.0.113.0/24');
create user if not exists PULUMI
    type = service
    rsa_public_key = 'replace with the content of pulumi.pub'
    default_role = CLICKSTREAM_DEPLOY
    default_secondary_roles = ()
    network_policy = CLICKSTREAM_DEPLOY;
grant role CLICKSTREAM_DEPLOY to user PULUMI;
