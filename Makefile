.PHONY: help setup check run
help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST)
setup:           ## install what development needs, into the active environment
	pip install -r requirements-dev.txt
check:           ## style, types, migrations, tests
	ruff check . && ruff format --check . && mypy
	python manage.py makemigrations --check --dry-run
	pytest
run:             ## everything on this machine, with the demo
	python manage.py up --demo
