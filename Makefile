.PHONY: help setup check run
help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST)
setup:           ## install what development needs, into the active environment
	pip install -r requirements-dev.txt
check:           ## style of code and templates, types, migrations, tests
	ruff check . && ruff format --check . && mypy
	find templates -name "*.html" -exec djade --check --target-version 5.2 {} +
	python manage.py makemigrations --check --dry-run
	pytest
run:             ## everything on this machine, with the demo
	python manage.py up --demo
