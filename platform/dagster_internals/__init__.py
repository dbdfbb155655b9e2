"""All that rests on private modules of Dagster's (`dagster._*`), each with the reason and with what would make it unnecessary.

Written for Dagster 1.13.27; pyproject.toml keeps dagster below the next minor version, in which any of this may break. A test
holds that nothing outside of this folder imports a private module.

    event_storage            writes batches of events in one transaction
    unreached_checks         the checks that a failed run did not come to are not shown as failed
    postgres_events          the same in production's event storage
    partition_events         events about single partitions from a run over a range
    failed_checks            which checks fail now, by partition
    run_health               runs whose process is gone, on a laptop
    code_server_launcher     runs whose code server is gone, in production
    in_process_runs          runs of the code location's jobs, executed by a command
    types                    names that Dagster's annotations need and does not export
"""
