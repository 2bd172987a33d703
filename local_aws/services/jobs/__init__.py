"""What training, processing, transform and tuning jobs share: records and operations, the queue, inputs, the
hosts' processes, failure texts, events, and word of a job's end."""
