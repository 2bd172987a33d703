"""What the book of pipeline executions gives to later executions: the results of steps, by their signature."""

from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.records import Execution, StepRecord


def finished(book, pipeline, id, ended, status="Succeeded", **more):
    """An execution with one step that ended at `ended` seconds."""
    execution = Execution("1" * 12, "us-east-1", pipeline, id, "role", "", 1, {}, 50, created=ended)
    record = StepRecord("Train", "Training", status=status, ended=ended, signature="s", **more)
    execution.steps["Train"] = record
    book.add(execution)
    book.keep_for_cache(execution, record)
    return execution


def cached(book, execution, now=100.0, **config):
    found = book.cached(execution.pipeline_arn, "Train", "s", config, now)
    return found and found[0].id


def test_the_newest_result_that_is_fresh_is_taken():
    book = Book()
    finished(book, "p", "second", 20.0)
    finished(book, "p", "third", 30.0)
    some = finished(book, "p", "first", 10.0)
    assert cached(book, some) == "third"
    assert cached(book, some, now=85.0, ExpireAfter="PT1M") == "third"
    assert cached(book, some, now=91.0, ExpireAfter="PT1M") is None


def test_only_results_of_its_own_count():
    book = Book()
    own = finished(book, "p", "own", 10.0)
    finished(book, "p", "failed", 20.0, status="Failed")
    finished(book, "p", "hit", 30.0, cached_from=own.arn)
    finished(book, "p", "reused", 40.0, reused_from=own.arn)
    assert cached(book, own) == "own"
    assert book.cached(own.pipeline_arn, "Train", "other", {}, 100.0) is None
    assert book.cached(own.pipeline_arn, "Test", "s", {}, 100.0) is None


def test_a_deleted_pipeline_leaves_nothing_to_one_of_its_name():
    book = Book()
    gone, stays = finished(book, "p", "a", 10.0), finished(book, "q", "b", 10.0)
    book.forget(gone.pipeline_arn)
    assert book.get(gone.arn) is None and book.of(gone.pipeline_arn) == []
    assert cached(book, gone) is None
    assert cached(book, stays) == "b"
