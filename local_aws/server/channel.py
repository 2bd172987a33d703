"""HTTP connections of the server: waitress's, with one correction."""

from waitress.channel import HTTPChannel


class Channel(HTTPChannel):
    """Answers `Expect: 100-continue` for an empty body, too.

    botocore sends that header with every PutObject. waitress 3.0.2 marks the request as unfinished when it
    asks for the body, so that an empty object's request, complete with its headers, would wait for ever.
    """

    def send_continue(self):
        finished = self.request.completed
        super().send_continue()
        self.request.completed = finished
