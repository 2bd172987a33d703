"""What training and processing jobs share: the record, the queue, inputs, the hosts' processes, failure
texts."""
