# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which test shows the effect of each broker attribute and of each configuration key.

A row of :mod:`rosin.broker.attrtable` or :mod:`rosin.broker.configtable` either says why it has no effect, or
is here. Tests are named by their file below tests and their function.
"""

_ATTRS = "system/test_attributes.py::"
_MORE = "system/test_attribute_effects.py::"
_REFUSED = "broker/test_attrtable.py::test_what_a_start_refuses"
_SINKS = "broker/test_logsinks.py::"
_TREE = "broker/test_boot_tree.py::"
_LINKS = "broker/overlay/test_boot.py::"
_PMI = "broker/overlay/bootstrap/test_program.py::"
_LIST = "broker/overlay/bootstrap/test_hosts.py::"

ATTRIBUTES = {
    "broker.quorum": f"{_TREE}test_nobody_is_late_for_a_smaller_quorum",
    "broker.quorum-warn": f"{_TREE}test_brokers_that_are_late_are_named",
    "broker.shutdown-warn": f"{_TREE}test_a_broker_that_does_not_go_is_named_and_left",
    "broker.shutdown-timeout": f"{_TREE}test_a_broker_that_does_not_go_is_named_and_left",
    "broker.critical-ranks": "broker/test_enclosing.py::test_what_is_told",
    "log-forward-level": "broker/test_log_ranks.py::test_a_level_says_what_passes",
    "log-stderr-mode": f"{_SINKS}test_who_writes_to_standard_error",
    "tbon.topo": "broker/overlay/test_boot.py::test_a_shape_that_is_none",
    "tbon.fanout": "broker/test_boot_directories.py::test_attributes",
    "tbon.prefertcp": f"{_PMI}test_where_a_broker_listens",
    "tbon.torpid_min": f"{_LINKS}test_signs_of_life_come_as_often_as_asked_and_only_then",
    "tbon.torpid_max": f"{_LINKS}test_signs_of_life_come_as_often_as_asked_and_only_then",
    **{
        f"tbon.{name}": f"{_LINKS}test_the_sockets_are_as_the_attributes_say"
        for name in ("child_rcvhwm", "connect_timeout", "tcp_user_timeout", "zmq_io_threads", "zmqdebug")
    },
    "rundir": f"{_ATTRS}test_existing_directories_stay_empty_ones",
    "rundir-cleanup": f"{_ATTRS}test_new_directories_and_cleanup",
    "statedir": f"{_ATTRS}test_existing_directories_stay_empty_ones",
    "statedir-cleanup": f"{_ATTRS}test_new_directories_and_cleanup",
    "local-uri": "system/test_nested.py::test_the_parent_is_told_where_the_instance_is",
    "hostlist": f"{_MORE}test_hostname_and_configuration_path",
    "hostname": f"{_MORE}test_hostname_and_configuration_path",
    "broker.boot-method": _REFUSED,
    "broker.cleanup-timeout": f"{_MORE}test_after_a_signal_jobs_get_the_time_that_they_are_given",
    "broker.unload-builtins-timeout": f"{_MORE}test_built_in_modules_get_the_time_that_they_are_given",
    "broker.rc1_path": f"{_ATTRS}test_rc1_that_fails_ends_the_start",
    "broker.rc3_path": f"{_ATTRS}test_rc3_that_fails_is_the_exit_code_of_a_good_end",
    "broker.rc2_none": f"{_ATTRS}test_no_initial_program",
    "broker.rc2_pgrp": f"{_MORE}test_the_initial_program_has_a_process_group_of_its_own_if_asked_for",
    "broker.sd-notify": f"{_ATTRS}test_no_initial_program",
    "broker.sd-stop-timeout": f"{_MORE}test_systemd_is_asked_for_more_time_at_each_step_of_the_end",
    "broker.exit-norestart": f"{_ATTRS}test_rc1_that_fails_ends_the_start",
    "broker.recovery-mode": f"{_ATTRS}test_recovery_goes_on_without_rc1",
    "config.path": f"{_MORE}test_hostname_and_configuration_path",
    "conf.shell_initrc": f"{_MORE}test_a_site_has_plugins_of_the_job_shell",
    "tbon.interface-hint": f"{_MORE}test_the_network_to_use_is_told_to_jobs",
    "log-ring-size": f"{_SINKS}test_levels_and_size_of_the_ring",
    "log-critical-level": f"{_SINKS}test_critical_messages_are_printed_whatever_the_level",
    "log-filename": f"{_ATTRS}test_the_log_file",
    "log-syslog-enable": f"{_SINKS}test_syslog_gets_messages_up_to_its_level",
    "log-syslog-level": f"{_SINKS}test_syslog_gets_messages_up_to_its_level",
    "log-stderr-level": f"{_SINKS}test_critical_messages_are_printed_whatever_the_level",
    "log-level": f"{_SINKS}test_levels_and_size_of_the_ring",
    "content.backing-module": "modules/content/test_content.py::"
    "test_a_backing_store_that_comes_late_takes_what_there_is",
    "content.hash": "modules/content/test_content.py::test_sha256",
    "content.dump": "system/test_garbage.py::test_shutdown_collects_garbage",
    "content.restore": "system/test_garbage.py::test_auto_leaves_a_dump_that_auto_reads_once",
    "broker.module-nopanic": "broker/modhost/test_hosted.py::test_the_broker_ends_with_one_that_fails",
    "cron.directory": "modules/cron/test_cron.py::test_crontabs_of_a_directory",
}
#: Attributes that are for others to use.
FREE = {"test.*", "test-nr.*", "test-im.*", "test-rd.*", "vendor.*"}

_SQLITE = "modules/content_sqlite/test_content_sqlite.py::"
_CONF = "system/test_configuration_effects.py::"
_EXEC = "modules/job_exec/test_settings.py::test_settings"
_FEASIBLE = "modules/job_ingest/test_ingest.py::test_feasibility_is_asked_where_the_configuration_wants_it"
_FAKE = "broker/test_fakeresources.py::test_all_keys"
_BAD = "broker/test_configcheck.py::test_what_would_change_the_instance_is_refused"
_HEART = "modules/heartbeat/test_heartbeat.py::test_table_and_arguments"
_PLUGINS = "modules/job_ingest/test_plugins.py::"
_INGEST = "modules/job_ingest/test_configuration.py::"
_PERILOG = "modules/job_manager/test_perilog.py::"
_SCRIPTS = "cli/test_runscripts.py::test_the_configuration_says_whether_to_stop"
_JOBTAP = "modules/job_manager/test_jobtap.py::"
_JOBS = "modules/job_manager/test_policies.py::"
_LIMITS = "rfc/test_queues.py::test_policies_of_queues"
_MODULES = "broker/test_rctable.py::"
_RESOURCE = "modules/resource/test_service.py::"
_SCHED = "modules/sched/test_service.py::"
_TBON = "broker/test_attrtable.py::test_the_configuration_sets_defaults"

CONFIGURATION = {
    **{
        f"bootstrap.{name}": f"{_LIST}test_templates_and_defaults"
        for name in (
            "curve_cert",
            "default_bind",
            "default_connect",
            "default_port",
            "enable_ipv6",
            "hosts[].host",
        )
    },
    **{f"bootstrap.hosts[].{name}": f"{_LIST}test_what_is_wrong" for name in ("bind", "connect")},
    "bootstrap.hosts[].parent": f"{_LIST}test_a_tree_of_ones_own",
    "access.allow-guest-user": "broker/test_connector.py::test_who_is_let_in",
    "access.roles.admin.users": "broker/test_extra_roles.py::test_users_and_groups",
    "access.roles.admin.groups": "broker/test_extra_roles.py::test_users_and_groups",
    "access.allow-root-owner": "broker/test_connector.py::test_who_is_let_in",
    "access.private-mode": "modules/job_list/test_service.py::test_private_mode_hides_the_jobs_of_others",
    "content-sqlite.journal_mode": f"{_SQLITE}test_settings_follow_the_directory_and_the_configuration",
    "content-sqlite.synchronous": f"{_SQLITE}test_settings_follow_the_directory_and_the_configuration",
    "content-sqlite.max_checkpoints": f"{_SQLITE}test_checkpoints_are_limited_and_newest_first",
    "exec.method": "modules/job_exec/test_settings.py::test_bad_settings",
    "exec.job-shell": "modules/job_exec/test_shells.py::test_configured_shell",
    "exec.imp": "modules/job_exec/test_job.py::test_multi_user_needs_the_imp",
    "exec.service": "modules/job_exec/test_settings.py::test_bad_settings",
    "exec.kill-timeout": _EXEC,
    "exec.max-kill-timeout": _EXEC,
    "exec.max-kill-count": _EXEC,
    "exec.term-signal": _EXEC,
    "exec.kill-signal": _EXEC,
    "exec.barrier-timeout": _EXEC,
    "exec.shell-exit-timeout": _EXEC,
    "exec.max-start-delay-percent": _EXEC,
    "exec.keep-timeout": "system/test_kept_jobs.py::test_nothing_is_left_when_no_broker_comes",
    "exec.testexec.allow-guests": "modules/job_exec/test_mock.py::test_guests_may_not_mock_unless_allowed",
    "fake-resources.nnodes": _FAKE,
    "fake-resources.cores-per-node": _FAKE,
    "fake-resources.gpus-per-node": _FAKE,
    "fake-resources.host-prefix": _FAKE,
    "fake-resources.hwloc-xml-path": "broker/test_fakeresources.py::test_nodes_like_a_machine",
    "fake-resources.amend-r": "broker/test_fakeresources.py::test_r_is_amended",
    "heartbeat.period": _HEART,
    "heartbeat.timeout": _HEART,
    "heartbeat.warn_thresh": _HEART,
    "ingest.buffer-size": f"{_PLUGINS}test_a_job_that_is_too_large_for_the_processes",
    "ingest.frobnicator.timeout": f"{_PLUGINS}test_a_frobnicator_that_does_not_answer",
    "ingest.frobnicator.*": f"{_PLUGINS}test_a_frobnicator_of_a_site_between_those_that_come_with_rosin",
    "ingest.validator.timeout": f"{_PLUGINS}test_a_wild_validator_costs_its_job_alone",
    "ingest.validator.*": f"{_PLUGINS}test_settings_of_plugins_and_their_arguments",
    "ingest.frobnicator.plugins": f"{_INGEST}test_the_frobnicator_table_says_what_is_added",
    "ingest.frobnicator.args": f"{_INGEST}test_the_frobnicator_table_says_what_is_added",
    "ingest.frobnicator.disable": f"{_INGEST}test_the_frobnicator_table_says_what_is_added",
    "ingest.validator.plugins": _FEASIBLE,
    "ingest.validator.args": f"{_INGEST}test_a_validator_table_that_asks_for_more_is_refused",
    "ingest.validator.disable": _FEASIBLE,
    "ingest.validator.require-instance.minnodes": f"{_INGEST}test_jobs_that_have_to_be_instances",
    "ingest.validator.require-instance.mincores": f"{_INGEST}test_jobs_that_have_to_be_instances",
    "job-list.max_comparisons": "modules/job_list/test_service.py::test_excessive_comparisons_are_refused",
    "job-manager.inactive-age-limit": f"{_JOBS}test_purge_by_configuration",
    "job-manager.inactive-num-limit": f"{_JOBS}test_purge_by_configuration",
    "job-manager.stop-queues-on-restart": "modules/job_manager/test_restart.py::"
    "test_queues_and_the_highest_id_come_back",
    "job-manager.plugins[].load": f"{_JOBTAP}test_plugins_of_the_configuration",
    "job-manager.plugins[].conf": f"{_JOBTAP}test_plugins_of_the_configuration",
    "job-manager.plugins[].remove": f"{_JOBTAP}test_plugins_of_the_configuration",
    "job-manager.housekeeping.command": "cli/test_housekeeping.py::test_list_and_kill",
    "job-manager.housekeeping.release-after": "modules/job_manager/test_housekeeping.py::"
    "test_release_after_a_time_releases_what_is_done_by_then",
    **{
        f"job-manager.{name}.{key}": test
        for name in ("prolog", "epilog")
        for key, test in {
            "command": f"{_PERILOG}test_the_job_starts_after_its_prolog_and_is_over_after_its_epilog",
            "timeout": f"{_PERILOG}test_a_prolog_that_takes_too_long_is_ended",
            "kill-timeout": f"{_PERILOG}test_what_cannot_be_ended_is_given_up_and_its_nodes_are_drained",
            "per-rank": f"{_PERILOG}test_without_per_rank_it_runs_once_on_rank_0",
            "cancel-on-exception": f"{_PERILOG}test_a_prolog_may_be_told_not_to_mind_exceptions",
            "exit-on-first-error": _SCRIPTS,
        }.items()
    },
    "job-manager.housekeeping.exit-on-first-error": _SCRIPTS,
    "job-manager.perilog.log-ignore": "modules/job_manager/test_perilog_instance.py::"
    "test_output_is_logged_but_for_what_is_ignored",
    "kvs.checkpoint-period": "modules/kvs/test_durability.py::test_a_root_is_stored_at_the_end_of_the_period",
    "kvs.gc-threshold": f"{_CONF}test_many_commits_ask_for_garbage_collection",
    "modules.*.module": f"{_MODULES}test_rc1_and_rc3_obey_the_table",
    "modules.*.args": f"{_MODULES}test_rc1_and_rc3_obey_the_table",
    "modules.*.ranks": f"{_MODULES}test_ranks_of_a_module",
    "modules.*.disabled": f"{_MODULES}test_a_usual_module_keeps_its_place_and_its_ranks",
    "modules.*.exec": f"{_MODULES}test_a_module_in_a_process_of_its_own",
    **{f"modules.*.{key}": f"{_MODULES}test_order" for key in ("after", "before")},
    **{
        f"modules.*.needs-{key}": f"{_MODULES}test_conditions_of_a_module"
        for key in ("attrs", "config", "env")
    },
    **{
        f"modules.{key}": f"{_MODULES}test_what_a_module_provides_requires_and_needs"
        for key in ("*.provides", "*.requires", "*.needs", "*.priority", "alternatives.*")
    },
    "policy.jobspec.defaults.system": f"{_INGEST}test_defaults_of_the_configuration",
    "policy.limits.duration": f"{_JOBS}test_limits",
    "policy.limits.job-size.max.nnodes": f"{_JOBS}test_limits",
    "policy.limits.job-size.max.ncores": f"{_JOBS}test_limits",
    "policy.limits.job-size.max.ngpus": _LIMITS,
    "policy.limits.job-size.min.nnodes": f"{_JOBS}test_limits",
    "policy.limits.job-size.min.ncores": f"{_JOBS}test_limits",
    "policy.limits.job-size.min.ngpus": _LIMITS,
    "policy.access.allow-user": f"{_INGEST}test_access_to_queues",
    "policy.access.allow-group": f"{_INGEST}test_access_to_queues",
    "queues.*.requires": f"{_INGEST}test_queue_defaults_and_constraints",
    "queues.*.hosts": f"{_RESOURCE}test_nodes_of_queues",
    "queues.*.parent": f"{_INGEST}test_queue_defaults_and_constraints",
    "queues.*.policy": f"{_INGEST}test_queue_defaults_and_constraints",
    "resource.path": f"{_CONF}test_resources_from_files",
    "resource.scheduling": f"{_CONF}test_resources_from_files",
    "resource.config[].hosts": f"{_RESOURCE}test_nodes_of_queues",
    "resource.config[].cores": f"{_RESOURCE}test_configured_resources_are_compared_with_the_machine",
    "resource.config[].gpus": f"{_CONF}test_resources_from_tables_and_the_length_of_their_journal",
    "resource.config[].properties": f"{_RESOURCE}test_nodes_of_queues",
    "resource.pools": f"{_RESOURCE}test_counted_pools",
    "resource.exclude": f"{_RESOURCE}test_availability_of_four_nodes",
    "resource.verify": "modules/resource/test_state.py::test_choice",
    "resource.noverify": f"{_RESOURCE}test_configured_resources_are_compared_with_the_machine",
    "resource.norestrict": f"{_CONF}test_processors_that_the_broker_may_not_run_on",
    "resource.rediscover": "modules/resource/test_inheritance.py::"
    "test_rediscovered_resources_end_when_the_enclosing_job_does",
    "resource.journal-max": f"{_CONF}test_resources_from_tables_and_the_length_of_their_journal",
    "resource.history": "modules/resource/test_log.py::"
    "test_old_events_are_dropped_once_they_are_in_the_checkpoint",
    "sched-simple.mode": f"{_SCHED}test_configuration_table",
    "sched-simple.queue-depth": f"{_SCHED}test_configuration_table",
    "sched-simple.queue-policy": "modules/sched/test_passes.py::test_easy_by_configuration",
    "sched-simple.reservation-depth": "modules/sched/test_passes.py::test_depths_by_configuration",
    "sched-simple.backfill-depth": "modules/sched/test_passes.py::test_depths_by_configuration",
    "sched-simple.forecast-depth": "modules/sched/test_passes.py::test_how_many_starts_are_estimated",
    "sched-simple.alloc-mode": f"{_SCHED}test_configuration_table",
    "sched-simple.log-level": f"{_SCHED}test_log_level",
    "systemd.enable": _BAD,
    **{
        f"tbon.{name}": _TBON
        for name in (
            "topo",
            "torpid_min",
            "torpid_max",
            "tcp_user_timeout",
            "connect_timeout",
            "zmq_io_threads",
            "zmqdebug",
            "child_rcvhwm",
            "interface-hint",
        )
    },
}
