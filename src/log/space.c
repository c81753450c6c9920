/* How much room the disk has: asked on a thread that may wait for it. Owner: the log's thread, but for the job. */
#include "log/log_priv.h"

static void run_space(struct os_job *job)
{
	struct log_space *space = BASE_CONTAINER(job, struct log_space, job);
	space->result = os_disk_space(space->log->disk, &space->total_bytes, &space->usable_bytes);
}

static void space_done(struct os_job *job)
{
	struct log_space *space = BASE_CONTAINER(job, struct log_space, job);
	struct log *log = space->log;
	space->done(space);
	log_job_end(log);
}

void log_space_find(struct log *log, struct log_space *space)
{
	space->log = log;
	space->job.run = run_space;
	space->job.done = space_done;
	log_job_begin(log);
	os_submit(log->read_threads, &space->job);
}
