//! Lenient reading of foreign JSON: tasks, plans, reports and commands as real writers write them.
