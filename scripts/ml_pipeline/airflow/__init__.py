"""What knows Airflow: steps of a retraining, the trigger that waits for one, links.

Airflow says when; what a step finds and does is in git alone. So any of them can be killed, run
again, cleared or back-filled at any time. DAG files wire these, and nothing here is imported by
the rest of the package.
"""
