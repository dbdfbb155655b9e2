"""The warehouse in Snowflake. Its SQL stands in files beside the code; infra/ reads two of them."""
